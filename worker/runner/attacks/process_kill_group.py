# Kills its group.
# tier A: contained
# tier B: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    try:
        done = os.killpg(os.getpgrp() or 1, 9)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
