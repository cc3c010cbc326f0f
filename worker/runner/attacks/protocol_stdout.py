# Prints without end.
# tier A: returned|timeout
# tier B: returned|timeout
# walls: log limit
def execute_workflow(user_input):
    line = 'x' * 99_999
    for _ in range(2000):
        print(line)
    return 'printed'
