# Makes a pipe with a name.
# tier A: contained
# tier B: contained
# walls: seccomp, Landlock
import os


def execute_workflow(user_input):
    try:
        done = os.mkfifo('pipe')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
