# A thread dies loudly; the run goes on.
# tier A: returned
# tier B: returned
# walls: none needed
import threading


def execute_workflow(user_input):
    t = threading.Thread(target=lambda: 1 / 0)
    t.start()
    t.join()
    return 'went on'
