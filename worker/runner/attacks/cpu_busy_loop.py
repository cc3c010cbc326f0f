# A loop without end.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
def execute_workflow(user_input):
    while True:
        pass
