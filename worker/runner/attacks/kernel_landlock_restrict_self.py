# landlock_restrict_self: no Python program needs it; attacks on kernels and neighbours do.
# outcome: sandbox_violation
# walls: seccomp (kill)
import ctypes
import os


def execute_workflow(user_input):
    number = {"x86_64": 446, "aarch64": 446}[os.uname().machine]
    done = ctypes.CDLL(None, use_errno=True).syscall(number, 0, 0, 0, 0, 0)
    return f"BREACH: {done}"
