# One operation in C that never looks up.
# tier A: timeout|out_of_memory
# tier B: timeout|out_of_memory
# walls: wall clock of the worker
import sys
sys.set_int_max_str_digits(0)


def execute_workflow(user_input):
    return len(str(10 ** 10 ** 8))
