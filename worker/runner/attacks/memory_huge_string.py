# Eight gigabytes at once.
# tier A: out_of_memory
# tier B: out_of_memory
# walls: RLIMIT_AS
def execute_workflow(user_input):
    return len('x' * 2 ** 33)
