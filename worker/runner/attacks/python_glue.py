# Takes the glue apart and calls its parts.
# tier A: returned|python_error|no_result
# tier B: returned|python_error|no_result
# walls: nothing to gain
def execute_workflow(user_input):
    import cell
    import cell_channel

    cell._outcome = None
    cell_channel.dumps = None
    return "took it apart"
