# A signal to somebody when a descriptor is ready.
# tier A: contained
# tier B: contained
# walls: seccomp
import fcntl


def execute_workflow(user_input):
    try:
        done = fcntl.fcntl(0, fcntl.F_SETOWN, 1)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
