# Gives a file away.
# tier A: contained
# tier B: contained
# walls: seccomp, capabilities
import os


def execute_workflow(user_input):
    try:
        done = (open('f', 'w').close(), os.chown('f', 0, 0))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
