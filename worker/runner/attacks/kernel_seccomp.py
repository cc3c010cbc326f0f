# seccomp: another filter.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    action = ctypes.c_uint32(0x7fff0000)
    done = libc.syscall(number, 2, 0, ctypes.byref(action))
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
