# Kills its parent, or the host's first process.
# tier A: contained
# tier B: contained
# walls: seccomp, pid namespace, user
import os


def execute_workflow(user_input):
    try:
        done = [os.kill(pid, 9) for pid in (os.getppid() or 2, 2, 3)]
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
