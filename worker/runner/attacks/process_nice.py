# Puts itself first.
# tier A: contained
# tier B: contained
# walls: seccomp, capabilities
import os


def execute_workflow(user_input):
    try:
        done = os.nice(-20)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
