# tee: page cache writes by pipe (Copy Fail, Dirty Pipe).
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 276, "aarch64": 77}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    readable, writable = os.pipe()
    os.write(writable, b'x')
    other = os.pipe()[1]
    done = libc.syscall(number, readable, other, 1, 0)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
