# Raises what only a user should.
# outcome: python_error
# walls: none needed
def execute_workflow(user_input):
    raise KeyboardInterrupt
