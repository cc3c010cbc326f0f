# Ten megabytes, again and again.
# tier A: out_of_memory
# tier B: out_of_memory
# walls: RLIMIT_AS, memory budget
def execute_workflow(user_input):
    data = []
    while True:
        data.append(bytearray(10_000_000))
