# splice: page cache writes by pipe (Copy Fail, Dirty Pipe)
# outcome: sandbox_violation
# walls: seccomp (kill)
import ctypes
import os


def execute_workflow(user_input):
    number = {"x86_64": 275, "aarch64": 76}[os.uname().machine]
    done = ctypes.CDLL(None, use_errno=True).syscall(number, 0, 0, 1, 0, 1, 0)
    return f"BREACH: {done}"
