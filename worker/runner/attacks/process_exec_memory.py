# A program from memory.
# tier A: contained
# tier B: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    try:
        done = os.memfd_create('x')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
