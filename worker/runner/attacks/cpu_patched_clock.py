# Its own clock stands still; the worker's does not.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
import time


def execute_workflow(user_input):
    time.time = time.monotonic = time.perf_counter = lambda: 0
    while time.time() < 1:
        pass
