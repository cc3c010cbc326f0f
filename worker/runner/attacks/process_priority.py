# Puts itself first, another way.
# tier A: contained
# tier B: contained
# walls: seccomp, capabilities
import os


def execute_workflow(user_input):
    try:
        done = os.setpriority(os.PRIO_PROCESS, 0, -20)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
