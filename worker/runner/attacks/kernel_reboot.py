# reboot: no Python program needs it; attacks on kernels and neighbours do.
# outcome: sandbox_violation
# walls: seccomp (kill)
import ctypes
import os


def execute_workflow(user_input):
    number = {"x86_64": 169, "aarch64": 142}[os.uname().machine]
    done = ctypes.CDLL(None, use_errno=True).syscall(number, 0xfee1dead, 672274793, 0, 0)
    return f"BREACH: {done}"
