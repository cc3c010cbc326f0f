# A fork bomb.
# tier A: contained
# tier B: contained
# walls: seccomp, RLIMIT_NPROC
import os


def execute_workflow(user_input):
    try:
        done = [os.fork() for _ in range(100)]
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
