# pidfd_getfd: takes a descriptor of its parent.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp, pid namespace, user, dumpable
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 438, "aarch64": 438}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    victim = os.getppid() or 1000  # a tier A cell has no parent that it can name
    pidfd = libc.syscall(434, victim, 0)
    done = libc.syscall(number, pidfd, 0, 0)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ESRCH, errno.EBADF):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
