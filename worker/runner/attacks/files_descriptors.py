# Opens until there is no descriptor left.
# tier A: contained
# tier B: contained
# walls: RLIMIT_NOFILE
import os


def execute_workflow(user_input):
    try:
        done = [open('f', 'w') for _ in range(10_000)]
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
