# A chain of a hundred thousand exceptions.
# tier A: python_error|no_result|timeout|out_of_memory
# tier B: python_error|no_result|timeout|out_of_memory
# walls: report limits
def execute_workflow(user_input):
    error = None
    for number in range(100_000):
        new = ValueError(number)
        new.__cause__ = error
        error = new
    raise error
