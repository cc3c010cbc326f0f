# Ends itself by a timer's signal. The first process of a pid namespace does not hear it.
# outcome: A timeout; B no_result
# walls: pid namespace
import signal
import time


def execute_workflow(user_input):
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(10_000)
