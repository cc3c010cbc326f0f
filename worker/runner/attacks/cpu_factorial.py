# A factorial that takes minutes.
# tier A: timeout|out_of_memory
# tier B: timeout|out_of_memory
# walls: wall clock of the worker
import math


def execute_workflow(user_input):
    return math.factorial(10 ** 8) % 7
