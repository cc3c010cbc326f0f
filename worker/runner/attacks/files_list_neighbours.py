# Lists the folder its folder lies in.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = [name for name in os.listdir('..') if name not in ('work', 'dev', 'lib', 'lib64', 'tmp', 'usr')] or os.stat('/nonexistent')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
