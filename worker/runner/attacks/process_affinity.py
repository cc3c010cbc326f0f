# Chooses its processor.
# tier A: contained
# tier B: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    try:
        done = os.sched_setaffinity(0, {0})
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
