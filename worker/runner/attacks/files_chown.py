# Gives a file away.
# outcome: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    try:
        done = (open('f', 'w').close(), os.chown('f', 0, 0))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
