# Reads where nothing is.
# tier A: no_result
# tier B: no_result
# walls: none needed
import ctypes


def execute_workflow(user_input):
    return ctypes.string_at(0)
