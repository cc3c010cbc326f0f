# Walks through attributes with a format string.
# tier A: returned
# tier B: returned
# walls: nothing secret is there
def execute_workflow(user_input):
    return 'BREACH' if 'CANARY' in '{0.__class__.__init__.__globals__}'.format(step('x')) else 'nothing'
