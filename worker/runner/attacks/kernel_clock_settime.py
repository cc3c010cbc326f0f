# clock_settime: sets the clock of the host.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp, capabilities
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 227, "aarch64": 112}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    time = (ctypes.c_long * 2)(0, 0)
    done = libc.syscall(number, 0, time)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ENOSYS):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
