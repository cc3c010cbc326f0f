# setsid: answered with an error, not with the deed.
# tier A: contained
# tier B: contained
# walls: seccomp
import ctypes
import errno
import os


def execute_workflow(user_input):
    numbers = {"x86_64": 112, "aarch64": 157}
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(numbers[os.uname().machine])
    if done == -1 and ctypes.get_errno() == errno.EPERM:
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
