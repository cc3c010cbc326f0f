# Leaves a mark in the time stamp of the folder of all private folders.
# tier A: contained
# tier B: contained
# walls: seccomp, private root, user
import os


def execute_workflow(user_input):
    before = os.stat("..")
    try:
        os.utime("..", ns=(before.st_atime_ns, before.st_mtime_ns))
    except OSError:
        return "contained"
    return "BREACH"
