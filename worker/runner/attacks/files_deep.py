# Folders in folders, deeper than any path.
# tier A: returned
# tier B: returned
# walls: tmpfs inodes
import os


def execute_workflow(user_input):
    depth = 0
    try:
        for depth in range(800):
            os.mkdir("d" * 100)
            os.chdir("d" * 100)
    except OSError:
        pass
    return depth
