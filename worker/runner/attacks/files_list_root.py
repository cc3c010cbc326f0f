# Lists the root.
# outcome: contained
# walls: A private root shows nothing of the host; Landlock in B
import os


def execute_workflow(user_input):
    try:
        done = sorted(set(os.listdir('/')) - {'dev', 'lib', 'lib64', 'tmp', 'usr', 'work'}) or os.stat('/nonexistent')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
