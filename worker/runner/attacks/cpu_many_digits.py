# A number with more digits than Python converts.
# tier A: python_error
# tier B: python_error
# walls: CPython
def execute_workflow(user_input):
    return int('9' * 5000)
