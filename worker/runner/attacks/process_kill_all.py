# Kills everybody.
# tier A: contained
# tier B: contained
# walls: seccomp, pid namespace
import os


def execute_workflow(user_input):
    try:
        done = os.kill(-1, 9)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
