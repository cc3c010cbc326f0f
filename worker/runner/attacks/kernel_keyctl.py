# keyctl: a keyring would outlive the cell and be seen by the next
# outcome: sandbox_violation
# walls: seccomp (kill)
import ctypes
import os


def execute_workflow(user_input):
    number = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
    done = ctypes.CDLL(None, use_errno=True).syscall(number, 0, -3, 1)
    return f"BREACH: {done}"
