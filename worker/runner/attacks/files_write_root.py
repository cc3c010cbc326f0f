# Writes beside its folder.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = open('/evil', 'w')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
