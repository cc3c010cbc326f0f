# Prints what terminals obey.
# tier A: returned
# tier B: returned
# walls: log is bytes
import os


def execute_workflow(user_input):
    os.write(1, b'\x1b]0;owned\x07\x1b[2J\0\xff')
    return 'printed'
