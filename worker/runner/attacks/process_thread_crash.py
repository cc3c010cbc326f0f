# A thread dies loudly; the run goes on.
# outcome: returned
# walls: none needed
import threading


def execute_workflow(user_input):
    t = threading.Thread(target=lambda: 1 / 0)
    t.start()
    t.join()
    return 'went on'
