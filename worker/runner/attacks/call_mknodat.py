# mknodat: answered with an error, not with the deed.
# tier A: contained
# tier B: contained
# walls: seccomp, Landlock, capabilities
import ctypes
import errno
import os


def execute_workflow(user_input):
    numbers = {"x86_64": 259, "aarch64": 33}
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(numbers[os.uname().machine], -100, b'x', 0o60666, 0x800)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
