# Asks whether a file is there, and how large.
# outcome: A contained; B returned
# walls: private root; open in B, documented
import os


def execute_workflow(user_input):
    try:
        return os.stat('/etc/passwd').st_size
    except OSError:
        return 'contained'
