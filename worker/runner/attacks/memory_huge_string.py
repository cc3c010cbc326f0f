# Eight gigabytes at once.
# outcome: out_of_memory
# walls: RLIMIT_AS
def execute_workflow(user_input):
    return len('x' * 2 ** 33)
