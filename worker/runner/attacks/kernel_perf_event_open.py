# perf_event_open: counts what the processor does for others.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 298, "aarch64": 241}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = ctypes.create_string_buffer(b'\x01\0\0\0\x40', 128)
    done = libc.syscall(number, attributes, -1, 0, -1, 0)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
