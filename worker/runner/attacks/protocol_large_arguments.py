# A hundred megabytes of arguments.
# tier A: tool_error|out_of_memory
# tier B: tool_error|out_of_memory
# walls: argument limit
def execute_workflow(user_input):
    return paradigm_search('x' * 100_000_000)
