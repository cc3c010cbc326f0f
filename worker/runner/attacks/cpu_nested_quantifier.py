# A pattern built from input.
# outcome: timeout
# walls: wall clock of the worker
import re


def execute_workflow(user_input):
    return bool(re.fullmatch(r'(\w+\s?)+', 'word ' * 40 + '!'))
