# Finds nothing of another run, leaves something for the next.
# outcome: returned
# walls: one folder per cell
import os


def execute_workflow(user_input):
    found = os.listdir('.')
    open('mark', 'w').write('x')
    return 'BREACH' if found else 'empty'
