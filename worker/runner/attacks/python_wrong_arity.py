# An entry point that takes nothing.
# outcome: python_error
# walls: none needed
def execute_workflow():
    return 1
