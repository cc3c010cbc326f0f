# Pipes of the kernel's memory.
# tier A: contained
# tier B: contained
# walls: seccomp
import fcntl
import os


def execute_workflow(user_input):
    try:
        done = fcntl.fcntl(os.pipe()[0], fcntl.F_SETPIPE_SZ, 1 << 20)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
