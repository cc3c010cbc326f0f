# Lists the root.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = sorted(set(os.listdir('/')) - {'dev', 'lib', 'lib64', 'tmp', 'usr', 'work'}) or os.stat('/nonexistent')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
