# A lease on a shared file tells when others open it.
# tier A: contained
# tier B: contained
# walls: seccomp
import fcntl
import os


def execute_workflow(user_input):
    try:
        done = fcntl.fcntl(open(os.__file__), fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
