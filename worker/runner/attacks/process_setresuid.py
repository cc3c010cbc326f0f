# Becomes root, another way.
# tier A: contained
# tier B: contained
# walls: seccomp, capabilities
import os


def execute_workflow(user_input):
    try:
        done = os.setresuid(0, 0, 0)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
