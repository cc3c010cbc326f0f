# Says that there is no memory left.
# outcome: out_of_memory
# walls: none needed
def execute_workflow(user_input):
    raise MemoryError
