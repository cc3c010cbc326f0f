# kexec_load: no Python program needs it; attacks on kernels and neighbours do.
# outcome: sandbox_violation
# walls: seccomp (kill)
import ctypes
import os


def execute_workflow(user_input):
    number = {"x86_64": 246, "aarch64": 104}[os.uname().machine]
    done = ctypes.CDLL(None, use_errno=True).syscall(number, 0, 0, 0, 0, 0)
    return f"BREACH: {done}"
