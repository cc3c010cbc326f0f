# Every signal it can ignore is ignored.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
import signal


def execute_workflow(user_input):
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        pass
