# Reads /root/.ssh/id_rsa.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = open('/root/.ssh/id_rsa', 'rb').read(100)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
