# Lists the processes.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = os.listdir('/proc')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
