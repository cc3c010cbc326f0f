# unshare: a user namespace of its own, with all capabilities in it
# outcome: sandbox_violation
# walls: seccomp (kill)
import ctypes
import os


def execute_workflow(user_input):
    number = {"x86_64": 272, "aarch64": 97}[os.uname().machine]
    done = ctypes.CDLL(None, use_errno=True).syscall(number, 0x10000000)
    return f"BREACH: {done}"
