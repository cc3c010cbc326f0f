# The loop is at the top level.
# outcome: timeout
# walls: wall clock of the worker
while True:
    pass


def execute_workflow(user_input):
    return 1
