# Announces four gigabytes.
# tier A: sandbox_violation
# tier B: sandbox_violation
# walls: frame limit
import os
import time


def execute_workflow(user_input):
    os.write(3, b'\xff\xff\xff\xff')
    time.sleep(1000)
