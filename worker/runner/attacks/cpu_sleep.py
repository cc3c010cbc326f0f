# Sleeps, costs nothing, ends never.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
import time


def execute_workflow(user_input):
    time.sleep(10_000)
