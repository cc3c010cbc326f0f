# Ends with success, without a result.
# tier A: no_result
# tier B: no_result
# walls: none needed
import os


def execute_workflow(user_input):
    os._exit(0)
