# Dumps tracebacks without end.
# tier A: returned|timeout
# tier B: returned|timeout
# walls: log limit
import faulthandler


def execute_workflow(user_input):
    for _ in range(2000):
        faulthandler.dump_traceback()
    return 'done'
