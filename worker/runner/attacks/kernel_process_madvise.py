# process_madvise: throws away memory of its parent.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: seccomp, pid namespace, user, dumpable
import ctypes
import errno
import os


def execute_workflow(user_input):
    number = {"x86_64": 440, "aarch64": 440}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    victim = os.getppid() or 1000  # a tier A cell has no parent that it can name
    pidfd = libc.syscall(434, victim, 0)
    here = ctypes.create_string_buffer(64)
    local = (ctypes.c_void_p * 2)(ctypes.addressof(here), 64)
    there = (ctypes.c_void_p * 2)(ctypes.addressof(here), 64)
    done = libc.syscall(number, pidfd, local, 1, 4, 0)
    if done == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ESRCH, errno.EBADF):
        return "contained"
    return f"BREACH: {done} {ctypes.get_errno()}"
