# Busy on more threads than there are cores.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
import threading
import time


def execute_workflow(user_input):
    def spin():
        while True:
            pass

    for _ in range(16):
        threading.Thread(target=spin, daemon=True).start()
    while True:
        time.sleep(1)
