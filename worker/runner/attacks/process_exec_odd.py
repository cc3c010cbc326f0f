# The same without an environment, with bytes that are no text.
# tier A: contained
# tier B: contained
# walls: seccomp, Landlock
import os


def execute_workflow(user_input):
    try:
        done = os.execve(b'/bin/\xff', [b'\xff'], {})
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
