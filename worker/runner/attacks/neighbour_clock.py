# Reads the processor time of every other process: what it does shows there.
# tier A: contained
# tier B: contained
# walls: seccomp, pid namespace
import ctypes
import os


def execute_workflow(user_input):
    libc = ctypes.CDLL(None, use_errno=True)
    call = {"x86_64": 228, "aarch64": 113}[os.uname().machine]
    time, seen = (ctypes.c_long * 2)(), []
    for pid in [os.getppid() or 2, *range(2, 4096)]:
        clock = (~pid << 3) | 2
        if pid != os.getpid() and libc.syscall(call, clock, time) == 0:
            seen.append(pid)
    return f"BREACH: {seen[:10]}" if seen else "contained"
