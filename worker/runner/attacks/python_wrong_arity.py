# An entry point that takes nothing.
# tier A: python_error
# tier B: python_error
# walls: none needed
def execute_workflow():
    return 1
