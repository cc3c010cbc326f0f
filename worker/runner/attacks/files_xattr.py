# Attributes, where they could hide.
# outcome: contained
# walls: seccomp
import os


def execute_workflow(user_input):
    try:
        done = (open('f', 'w').close(), os.setxattr('f', 'user.x', b'1'))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
