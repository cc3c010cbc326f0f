# The same, and no exception ends it.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
def execute_workflow(user_input):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
