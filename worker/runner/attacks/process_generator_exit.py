# Raises what only a generator should.
# outcome: python_error
# walls: none needed
def execute_workflow(user_input):
    raise GeneratorExit
