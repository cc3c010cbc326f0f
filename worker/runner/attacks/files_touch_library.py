# Leaves a mark in a time stamp.
# outcome: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = os.utime(os.__file__, (1, 1))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
