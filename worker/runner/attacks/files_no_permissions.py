# A folder that its cleaner cannot enter.
# tier A: returned
# tier B: returned
# walls: cleaning
import os


def execute_workflow(user_input):
    os.makedirs('a/b/c')
    open('a/b/c/f', 'w').close()
    os.chmod('a/b', 0)
    os.chmod('a', 0)
    os.chmod('.', 0)
    return 'left'
