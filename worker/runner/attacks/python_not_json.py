# A result that is no JSON.
# tier A: result_not_json
# tier B: result_not_json
# walls: none needed
def execute_workflow(user_input):
    return {1, 2}
