# A C callback needs new code.
# tier A: contained|returned|out_of_memory
# tier B: contained|returned|out_of_memory
# walls: MDWE, seccomp
import ctypes


def execute_workflow(user_input):
    try:
        callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n + 1)
    except MemoryError:
        return "contained"
    return callback(1)
