# A file of ten terabytes with nothing in it.
# tier A: contained
# tier B: contained
# walls: RLIMIT_FSIZE
import os


def execute_workflow(user_input):
    try:
        done = open('f', 'wb').truncate(10 ** 13)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
