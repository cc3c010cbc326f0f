# A document of a million brackets.
# tier A: python_error
# tier B: python_error
# walls: CPython
import json


def execute_workflow(user_input):
    return json.loads('[' * 1_000_000)
