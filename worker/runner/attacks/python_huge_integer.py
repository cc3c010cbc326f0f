# An integer no client can read.
# tier A: result_not_json
# tier B: result_not_json
# walls: worker
def execute_workflow(user_input):
    return 10 ** 400
