# A loop without end.
# outcome: timeout
# walls: wall clock of the worker
def execute_workflow(user_input):
    while True:
        pass
