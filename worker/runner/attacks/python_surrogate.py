# A result that is no text.
# outcome: result_not_json
# walls: none needed
def execute_workflow(user_input):
    return '\ud800'
