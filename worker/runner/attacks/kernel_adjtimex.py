# adjtimex: slews the clock of the host.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp, capabilities
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 159, "aarch64": 171}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    timex = ctypes.create_string_buffer(b'\x01', 256)
    done = libc.syscall(number, timex)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ENOSYS):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
