# A shell by libc.
# tier A: contained
# tier B: contained
# walls: seccomp, Landlock
import os


def execute_workflow(user_input):
    status = os.system('id > /tmp/x')
    return 'contained' if status != 0 else 'BREACH'
