# Raises what only a user should.
# tier A: python_error
# tier B: python_error
# walls: none needed
def execute_workflow(user_input):
    raise KeyboardInterrupt
