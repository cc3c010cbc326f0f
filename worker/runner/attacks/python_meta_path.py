# Hooks that would outlive the run.
# tier A: returned
# tier B: returned
# walls: one cell, one run
import sys


def execute_workflow(user_input):
    sys.meta_path.insert(0, None)
    sys.path_hooks.clear()
    sys.modules.clear()
    return 'done'
