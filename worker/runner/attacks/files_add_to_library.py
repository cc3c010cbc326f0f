# Adds a module that others will import.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = open(os.path.join(os.path.dirname(os.__file__), 'sitecustomize.py'), 'w')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
