# A shell with a pipe.
# outcome: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    try:
        done = os.popen('id').read()
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
