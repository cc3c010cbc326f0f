# Prints bytes that are no text, and NUL.
# tier A: returned
# tier B: returned
# walls: log is bytes
import os


def execute_workflow(user_input):
    os.write(1, bytes(range(256)) * 100)
    os.write(2, b"\xff\xfe\0" * 1000)
    return "said"
