# The same by asking.
# tier A: contained
# tier B: contained
# walls: RLIMIT_FSIZE, tmpfs size
import os


def execute_workflow(user_input):
    try:
        done = os.posix_fallocate(os.open('f', os.O_CREAT | os.O_RDWR), 0, 10 ** 11)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
