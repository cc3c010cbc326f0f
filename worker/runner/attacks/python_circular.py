# A result that contains itself.
# tier A: result_not_json
# tier B: result_not_json
# walls: none needed
def execute_workflow(user_input):
    x = {}
    x['x'] = x
    return x
