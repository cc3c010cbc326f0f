# A result that contains itself.
# outcome: result_not_json
# walls: none needed
def execute_workflow(user_input):
    x = {}
    x['x'] = x
    return x
