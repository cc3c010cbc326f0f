# Kills itself.
# tier A: no_result
# tier B: no_result
# walls: none needed
import os
import signal


def execute_workflow(user_input):
    os.kill(os.getpid(), signal.SIGKILL)
