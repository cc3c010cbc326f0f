# Raises what only a generator should.
# tier A: python_error
# tier B: python_error
# walls: none needed
def execute_workflow(user_input):
    raise GeneratorExit
