# Becomes a shell.
# tier A: contained
# tier B: contained
# walls: seccomp, Landlock
import os


def execute_workflow(user_input):
    try:
        done = os.execv('/bin/sh', ['sh', '-c', 'id'])
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
