# shmget: a SysV segment would outlive the cell
# outcome: sandbox_violation
# walls: seccomp (kill)
import ctypes
import os


def execute_workflow(user_input):
    number = {"x86_64": 29, "aarch64": 194}[os.uname().machine]
    done = ctypes.CDLL(None, use_errno=True).syscall(number, 0, 4096, 0o1600)
    return f"BREACH: {done}"
