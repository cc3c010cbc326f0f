# Waits for itself.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
import threading


def execute_workflow(user_input):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
