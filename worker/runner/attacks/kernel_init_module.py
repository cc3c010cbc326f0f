# init_module: loads a kernel module.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp, capabilities
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 175, "aarch64": 105}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    module = ctypes.create_string_buffer(64)
    done = libc.syscall(number, module, 64, b'')
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ENOSYS):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
