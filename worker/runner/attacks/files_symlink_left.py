# A link to a secret, left for whoever cleans up.
# tier A: returned
# tier B: returned
# walls: nobody follows it
import os


def execute_workflow(user_input):
    os.symlink('/etc/passwd', 'link')
    os.symlink('/', 'root')
    os.symlink('.', 'loop')
    return 'left'
