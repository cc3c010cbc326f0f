# The limit on digits switched off first.
# outcome: timeout
# walls: wall clock of the worker
import sys


def execute_workflow(user_input):
    sys.set_int_max_str_digits(0)
    return int('9' * 50_000_000) % 7
