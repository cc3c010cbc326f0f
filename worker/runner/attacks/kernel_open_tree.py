# open_tree: a copy of the tree, to mount elsewhere.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp, capabilities
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 428, "aarch64": 428}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(number, -100, b'.', 1)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ENOSYS):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
