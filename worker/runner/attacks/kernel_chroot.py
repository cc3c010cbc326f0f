# chroot: no Python program needs it; attacks on kernels and neighbours do.
# outcome: sandbox_violation
# walls: seccomp (kill)
import ctypes
import os


def execute_workflow(user_input):
    number = {"x86_64": 161, "aarch64": 51}[os.uname().machine]
    done = ctypes.CDLL(None, use_errno=True).syscall(number, b'.')
    return f"BREACH: {done}"
