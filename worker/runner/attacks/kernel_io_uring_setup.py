# io_uring_setup: rings run calls that the filter never sees
# outcome: sandbox_violation
# walls: seccomp (kill)
import ctypes
import os


def execute_workflow(user_input):
    number = {"x86_64": 425, "aarch64": 425}[os.uname().machine]
    done = ctypes.CDLL(None, use_errno=True).syscall(number, 8, 0)
    return f"BREACH: {done}"
