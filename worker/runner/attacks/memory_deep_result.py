# A result nested ten thousand times.
# tier A: result_not_json
# tier B: result_not_json
# walls: CPython, worker
def execute_workflow(user_input):
    x = []
    for _ in range(10_000):
        x = [x]
    return x
