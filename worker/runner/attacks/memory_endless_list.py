# A list of all numbers.
# tier A: out_of_memory|timeout
# tier B: out_of_memory|timeout
# walls: RLIMIT_AS
import itertools


def execute_workflow(user_input):
    return len(list(itertools.count()))
