# Recursion through C code.
# tier A: timeout|python_error|no_result|out_of_memory
# tier B: timeout|python_error|no_result|out_of_memory
# walls: RLIMIT_STACK
import sys


def execute_workflow(user_input):
    sys.setrecursionlimit(10 ** 9)
    x = []
    for _ in range(10 ** 6):
        x = [x]
    return repr(x)
