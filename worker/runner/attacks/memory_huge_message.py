# An exception that says ten megabytes.
# tier A: python_error
# tier B: python_error
# walls: report limits
def execute_workflow(user_input):
    raise ValueError('x' * 10_000_000)
