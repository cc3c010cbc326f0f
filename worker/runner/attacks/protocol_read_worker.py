# Reads the channel in place of the glue.
# tier A: timeout|no_result
# tier B: timeout|no_result
# walls: one run, one channel
import os


def execute_workflow(user_input):
    data = os.read(3, 100)
    return 'BREACH' if b'CANARY' in data else 'nothing'
