# A pattern built from input.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
import re


def execute_workflow(user_input):
    return bool(re.fullmatch(r'(\w+\s?)+', 'word ' * 40 + '!'))
