# Closes every descriptor.
# outcome: no_result|timeout
# walls: worker
import os


def execute_workflow(user_input):
    os.closerange(0, 64)
    while True:
        pass
