# kexec_load: another kernel.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp, capabilities
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 246, "aarch64": 104}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(number, 0, 0, 0, 0)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ENOSYS):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
