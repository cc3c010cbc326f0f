# semget: no Python program needs it; attacks on kernels and neighbours do.
# outcome: sandbox_violation
# walls: seccomp (kill)
import ctypes
import os


def execute_workflow(user_input):
    number = {"x86_64": 64, "aarch64": 190}[os.uname().machine]
    done = ctypes.CDLL(None, use_errno=True).syscall(number, 0, 1, 0o1600)
    return f"BREACH: {done}"
