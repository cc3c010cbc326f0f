# Its own handler for everything, then a crash.
# tier A: timeout|no_result
# tier B: timeout|no_result
# walls: none needed
import ctypes
import signal


def execute_workflow(user_input):
    signal.signal(signal.SIGSEGV, lambda *a: None)
    ctypes.string_at(0)
