# Announces a frame and never sends it.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
import os
import time


def execute_workflow(user_input):
    os.write(3, b'\0\0\1\0{')
    time.sleep(1000)
