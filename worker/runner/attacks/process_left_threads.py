# Threads that outlive the result.
# tier A: returned
# tier B: returned
# walls: end of the cell
import threading
import time


def execute_workflow(user_input):
    def forever():
        while True:
            time.sleep(0.001)

    for _ in range(10):
        threading.Thread(target=forever).start()
    return "first"
