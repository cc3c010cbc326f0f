# vmsplice: page cache writes by pipe (Copy Fail, Dirty Pipe).
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 278, "aarch64": 75}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    writable = os.pipe()[1]
    page = ctypes.create_string_buffer(8)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(page), 8)
    done = libc.syscall(number, writable, vector, 1, 0)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
