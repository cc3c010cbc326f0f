# Overwrites the interpreter's own objects.
# tier A: no_result|python_error|timeout|returned
# tier B: no_result|python_error|timeout|returned
# walls: the process itself
import ctypes


def execute_workflow(user_input):
    for value in (None, True, (), '', 0):
        ctypes.memset(id(value), 255, 64)
    return "survived"
