# A shell, another way.
# outcome: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    try:
        done = os.posix_spawn('/bin/sh', ['sh', '-c', 'id'], {})
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
