# Wakes whoever waits on a page of the library: a bell that rings in other cells.
# tier A: contained
# tier B: contained
# walls: seccomp
import ctypes
import os


def execute_workflow(user_input):
    libc = ctypes.CDLL(None, use_errno=True)
    futex = {"x86_64": 202, "aarch64": 98}[os.uname().machine]
    libc.mmap.restype = ctypes.c_void_p
    with open(os.__file__, "rb") as file:
        page = libc.mmap(None, ctypes.c_size_t(4096), 1, 2, file.fileno(), ctypes.c_long(0))
    woken = libc.syscall(futex, ctypes.c_void_p(page), 1, 1, None, None, 0)
    return "contained" if woken == -1 else f"BREACH: may wake, {woken} woken"
