# Ends politely.
# outcome: no_result
# walls: none needed
import sys


def execute_workflow(user_input):
    sys.exit(0)
