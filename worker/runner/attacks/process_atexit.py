# Code for after the end.
# tier A: returned
# tier B: returned
# walls: end of the cell
import atexit
import time


def execute_workflow(user_input):
    atexit.register(time.sleep, 1000)
    return 'first'
