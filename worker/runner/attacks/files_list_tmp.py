# Lists what others left in /tmp.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = [name for name in os.listdir('/tmp') if name not in os.listdir('.')] or os.stat('/nonexistent')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
