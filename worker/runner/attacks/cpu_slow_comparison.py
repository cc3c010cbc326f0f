# Sorting calls its own code.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
import time


class Slow:
    def __lt__(self, other):
        time.sleep(0.5)
        return True


def execute_workflow(user_input):
    return sorted(Slow() for _ in range(100))
