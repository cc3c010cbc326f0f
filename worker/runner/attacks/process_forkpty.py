# The same with a terminal.
# tier A: contained
# tier B: contained
# walls: seccomp, Landlock
import os


def execute_workflow(user_input):
    try:
        done = os.forkpty()
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
