# mq_open: a queue with a name, for neighbours.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp, RLIMIT_MSGQUEUE
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 240, "aarch64": 180}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(number, b'token', 0o102, 0o600, 0)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EMFILE):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
