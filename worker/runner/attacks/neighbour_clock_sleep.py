# Sleeps until another process has worked.
# tier A: contained
# tier B: contained
# walls: seccomp, pid namespace
import ctypes
import os


def execute_workflow(user_input):
    libc = ctypes.CDLL(None, use_errno=True)
    call = {"x86_64": 230, "aarch64": 115}[os.uname().machine]
    nothing, seen = (ctypes.c_long * 2)(0, 1), []
    for pid in [os.getppid() or 2, 2, 3]:
        if pid != os.getpid() and libc.syscall(call, (~pid << 3) | 2, 0, nothing, None) == 0:
            seen.append(pid)
    return f"BREACH: {seen}" if seen else "contained"
