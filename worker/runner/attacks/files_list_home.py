# Lists the homes.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = os.listdir('/home') + os.listdir('/root')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
