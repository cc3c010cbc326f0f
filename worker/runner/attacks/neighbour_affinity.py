# Asks on which processors others may run.
# tier A: contained
# tier B: contained
# walls: seccomp, pid namespace
import ctypes
import os


def execute_workflow(user_input):
    libc = ctypes.CDLL(None, use_errno=True)
    call = {"x86_64": 204, "aarch64": 123}[os.uname().machine]
    buffer, size, seen = ctypes.create_string_buffer(128), ctypes.byref(ctypes.c_size_t(24)), []
    for pid in [os.getppid() or 2, *range(2, 4096)]:
        if pid != os.getpid() and libc.syscall(call, pid, 128, buffer) != -1:
            seen.append(pid)
    return f"BREACH: {seen[:10]}" if seen else "contained"
