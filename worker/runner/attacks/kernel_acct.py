# acct: switches process accounting on.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp, capabilities
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 163, "aarch64": 89}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(number, b'acct')
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ENOSYS):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
