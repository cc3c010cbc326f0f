# Exponential backtracking.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
import re


def execute_workflow(user_input):
    return bool(re.match('(a+)+$', 'a' * 80 + 'b'))
