# Says that there is no memory left.
# tier A: out_of_memory
# tier B: out_of_memory
# walls: none needed
def execute_workflow(user_input):
    raise MemoryError
