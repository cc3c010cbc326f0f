# Connects its own channel to somewhere else.
# tier A: contained
# tier B: contained
# walls: seccomp
import os
import socket


def execute_workflow(user_input):
    try:
        done = socket.socket(fileno=os.dup(3)).connect('/x')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
