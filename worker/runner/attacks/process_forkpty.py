# The same with a terminal.
# outcome: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    try:
        done = os.forkpty()
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
