# Shoots itself with the timer of its own processor time.
# tier A: timeout|no_result
# tier B: timeout|no_result
# walls: wall clock of the worker
import signal


def execute_workflow(user_input):
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, 0.05)
    while True:
        pass
