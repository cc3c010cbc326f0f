# A width instead of text.
# tier A: out_of_memory
# tier B: out_of_memory
# walls: RLIMIT_AS
def execute_workflow(user_input):
    return len(f'{1:>9999999999}')
