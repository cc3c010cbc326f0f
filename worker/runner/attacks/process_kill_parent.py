# Kills its parent, or the host's first process.
# outcome: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    try:
        done = [os.kill(pid, 9) for pid in (os.getppid() or 2, 2, 3)]
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
