# A link to a secret, followed by itself.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = (os.symlink('/etc/shadow', 'link'), open('link').read())
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
