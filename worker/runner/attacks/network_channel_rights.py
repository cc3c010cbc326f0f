# Sends a descriptor to the worker.
# tier A: contained
# tier B: contained
# walls: seccomp
import os
import socket


def execute_workflow(user_input):
    try:
        done = socket.send_fds(socket.socket(fileno=os.dup(3)), [b'x'], [0])
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
