# Becomes root.
# outcome: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    try:
        done = os.setuid(0)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
