# A shell with a pipe.
# tier A: contained
# tier B: contained
# walls: seccomp, Landlock
import os


def execute_workflow(user_input):
    try:
        done = os.popen('id').read()
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
