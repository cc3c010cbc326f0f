# Closes every descriptor.
# tier A: no_result|timeout
# tier B: no_result|timeout
# walls: worker
import os


def execute_workflow(user_input):
    os.closerange(0, 64)
    while True:
        pass
