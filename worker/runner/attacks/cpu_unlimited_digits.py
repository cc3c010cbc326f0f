# The limit on digits switched off first.
# tier A: timeout|out_of_memory
# tier B: timeout|out_of_memory
# walls: wall clock of the worker
import sys


def execute_workflow(user_input):
    sys.set_int_max_str_digits(0)
    return int('9' * 5_000_000) % 7
