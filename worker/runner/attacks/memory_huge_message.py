# An exception that says a hundred megabytes.
# outcome: python_error
# walls: report limits
def execute_workflow(user_input):
    raise ValueError('x' * 100_000_000)
