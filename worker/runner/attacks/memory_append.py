# Ten megabytes, again and again.
# outcome: out_of_memory
# walls: RLIMIT_AS
def execute_workflow(user_input):
    data = []
    while True:
        data.append(bytearray(10_000_000))
