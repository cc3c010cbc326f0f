# request_key: looks for a token of another cell.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 249, "aarch64": 218}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(number, b'user', b'token', 0, -3)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
