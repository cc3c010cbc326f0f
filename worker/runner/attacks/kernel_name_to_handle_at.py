# name_to_handle_at: a handle that ignores folders.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 303, "aarch64": 264}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    handle, mount = ctypes.create_string_buffer(b'\x40', 128), ctypes.c_int()
    done = libc.syscall(number, -100, b'.', handle, ctypes.byref(mount), 0)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
