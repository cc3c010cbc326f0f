# linkat: answered with an error, not with the deed.
# tier A: contained
# tier B: contained
# walls: seccomp, Landlock
import ctypes
import errno
import os


def execute_workflow(user_input):
    numbers = {"x86_64": 265, "aarch64": 37}
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(numbers[os.uname().machine], -100, b'/dev/null', -100, b'x', 0)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.EXDEV):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
