# A result that is not a number.
# tier A: result_not_json
# tier B: result_not_json
# walls: none needed
def execute_workflow(user_input):
    return [1.0, float('nan')]
