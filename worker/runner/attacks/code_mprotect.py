# Makes written memory executable.
# tier A: contained
# tier B: contained
# walls: MDWE, seccomp
import ctypes
import mmap
import os

buffer = ctypes.c_char.from_buffer(mmap.mmap(-1, 8192))


def execute_workflow(user_input):
    try:
        done = done if (done := ctypes.CDLL(None).mprotect(ctypes.addressof(buffer) & ~4095, 4096, 7)) == 0 else os.stat('/nonexistent')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
