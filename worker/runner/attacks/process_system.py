# A shell by libc.
# outcome: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    status = os.system('id > /tmp/x')
    return 'contained' if status != 0 else 'BREACH'
