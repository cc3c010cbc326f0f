# Moves a file out.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = (open('f', 'w').close(), os.rename('f', '/usr/lib/f'))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
