# Recursion without a limit.
# tier A: timeout|python_error|no_result|out_of_memory
# tier B: timeout|python_error|no_result|out_of_memory
# walls: RLIMIT_AS, RLIMIT_STACK
import sys


def execute_workflow(user_input):
    sys.setrecursionlimit(10 ** 9)

    def deeper(n):
        return deeper(n + 1)

    return deeper(0)
