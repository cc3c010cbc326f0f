# Makes a pipe with a name.
# outcome: contained
# walls: seccomp, Landlock
import os


def execute_workflow(user_input):
    try:
        done = os.mkfifo('pipe')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
