# add_key: leaves a token in a keyring that outlives the cell.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 248, "aarch64": 217}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(number, b'user', b'token', b'x', 1, -3)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
