# The same on the other stream.
# tier A: returned|timeout
# tier B: returned|timeout
# walls: log limit
import sys


def execute_workflow(user_input):
    line = 'x' * 99_999
    for _ in range(2000):
        print(line, file=sys.stderr)
    return 'printed'
