# A result beyond the limit.
# tier A: output_too_large
# tier B: output_too_large
# walls: result limit
def execute_workflow(user_input):
    return 'x' * 3_000_000
