# Reads the environment, Python's and C's.
# tier A: contained
# tier B: contained
# walls: empty environment at exec
import ctypes
import os


def execute_workflow(user_input):
    names = set(os.environ) - {"HOME", "TMPDIR", "LANG", "TZ", "PATH"}
    environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    index = 0
    while environ and environ[index] and index < 100:
        if b"KEY" in environ[index] or b"CANARY" in environ[index]:
            return "BREACH"
        index += 1
    return f"BREACH: {names}" if names else "contained"
