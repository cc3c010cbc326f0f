# A library of its own making.
# tier A: contained
# tier B: contained|returned
# walls: noexec, library is read-only
import ctypes
import importlib
import os


def execute_workflow(user_input):
    with open(importlib.import_module("_bz2").__file__, "rb") as f:
        image = f.read()
    with open("mine.so", "wb") as f:
        f.write(image)
    try:
        ctypes.CDLL(os.path.abspath("mine.so"))
    except OSError:
        return "contained"
    return "loaded"
