# A watch on a shared folder tells what others import.
# tier A: contained
# tier B: contained
# walls: seccomp
import fcntl
import os


def execute_workflow(user_input):
    try:
        done = fcntl.fcntl(os.open(os.path.dirname(os.__file__), os.O_RDONLY), fcntl.F_NOTIFY, 1)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
