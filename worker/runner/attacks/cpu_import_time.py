# The loop is at the top level.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
while True:
    pass


def execute_workflow(user_input):
    return 1
