# capset: answered with an error, not with the deed.
# tier A: contained
# tier B: contained
# walls: seccomp, capabilities
import ctypes
import errno
import os


def execute_workflow(user_input):
    numbers = {"x86_64": 126, "aarch64": 91}
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    everything = (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)
    done = libc.syscall(numbers[os.uname().machine], header, everything)
    if done == -1 and ctypes.get_errno() == errno.EPERM:
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
