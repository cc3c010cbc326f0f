# Stops itself, so that nobody reaps it.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
import signal
import threading


def execute_workflow(user_input):
    for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        signal.raise_signal(number)
    threading.Event().wait()
