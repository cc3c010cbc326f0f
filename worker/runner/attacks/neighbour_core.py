# Dies with a core dump that tells everything.
# tier A: no_result
# tier B: no_result
# walls: RLIMIT_CORE, dumpable
import ctypes
import resource
import signal


def execute_workflow(user_input):
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        pass
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGQUIT)
    ctypes.string_at(0)
