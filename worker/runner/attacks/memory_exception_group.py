# A group of a hundred thousand.
# tier A: python_error|timeout|out_of_memory
# tier B: python_error|timeout|out_of_memory
# walls: report limits
def execute_workflow(user_input):
    raise ExceptionGroup('g', [ValueError(n) for n in range(100_000)])
