# Ends itself by a timer's signal. The first process of a pid namespace does not hear it.
# tier A: timeout
# tier B: no_result
# walls: wall clock of the worker
import signal
import time


def execute_workflow(user_input):
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(10_000)
