# An integer no client can read.
# outcome: result_not_json
# walls: worker
def execute_workflow(user_input):
    return 10 ** 400
