# Ends politely.
# tier A: no_result
# tier B: no_result
# walls: none needed
import sys


def execute_workflow(user_input):
    sys.exit(0)
