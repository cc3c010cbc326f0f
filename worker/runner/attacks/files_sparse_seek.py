# The same by seeking.
# tier A: contained
# tier B: contained
# walls: RLIMIT_FSIZE
import os


def execute_workflow(user_input):
    try:
        done = os.pwrite(os.open('f', os.O_CREAT | os.O_RDWR), b'x', 10 ** 13)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
