# An exception that says ten megabytes.
# outcome: python_error
# walls: report limits
def execute_workflow(user_input):
    raise ValueError('x' * 10_000_000)
