# execveat: becomes the loader, which runs what it is told to.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp, Landlock
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 322, "aarch64": 281}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    words = (ctypes.c_char_p * 2)(b'ld.so', None)
    loader = {
        "x86_64": b"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "aarch64": b"/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1",
    }[os.uname().machine]
    done = libc.syscall(number, -100, loader, words, None, 0)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
