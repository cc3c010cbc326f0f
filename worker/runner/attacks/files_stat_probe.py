# Asks whether a file is there, and how large.
# tier A: contained
# tier B: returned
# walls: private root
import os


def execute_workflow(user_input):
    try:
        return os.stat('/etc/passwd').st_size
    except OSError:
        return 'contained'
