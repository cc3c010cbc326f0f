# Busy in C.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
def execute_workflow(user_input):
    return sum(range(10 ** 13))
