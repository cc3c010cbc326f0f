# A fork bomb.
# outcome: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    try:
        done = [os.fork() for _ in range(100)]
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
