# Attributes, where they could hide.
# tier A: contained
# tier B: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    try:
        done = (open('f', 'w').close(), os.setxattr('f', 'user.x', b'1'))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
