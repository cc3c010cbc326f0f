# Removes a module.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = os.remove(os.path.join(os.path.dirname(os.__file__), 'this.py'))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
