# Finds nothing of another run, leaves something for the next.
# tier A: returned
# tier B: returned
# walls: mount namespace, user
import os


def execute_workflow(user_input):
    found = os.listdir('.')
    open('mark', 'w').write('x')
    return 'BREACH' if found else 'empty'
