# The same; it notices and goes on.
# tier A: contained
# tier B: contained
# walls: RLIMIT_AS, memory budget
def execute_workflow(user_input):
    data = []
    try:
        while True:
            data.append(bytearray(10_000_000))
    except MemoryError:
        data.clear()
        return "contained"
