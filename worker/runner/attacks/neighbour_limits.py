# Reads and lowers the limits of others.
# tier A: contained
# tier B: contained
# walls: seccomp, pid namespace, user
import os
import resource


def execute_workflow(user_input):
    seen = []
    for pid in [os.getppid() or 2, *range(2, 2048)]:
        try:
            if pid != os.getpid():
                seen.append((pid, resource.prlimit(pid, resource.RLIMIT_NOFILE)))
        except (OSError, PermissionError):
            pass
    return f"BREACH: {seen[:10]}" if seen else "contained"
