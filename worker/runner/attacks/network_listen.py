# Waits for others.
# tier A: contained
# tier B: contained
# walls: seccomp, network namespace
import socket


def execute_workflow(user_input):
    try:
        done = socket.create_server(('127.0.0.1', 0))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
