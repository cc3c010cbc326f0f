# The other internet.
# tier A: contained
# tier B: contained
# walls: seccomp, network namespace
import socket


def execute_workflow(user_input):
    try:
        done = socket.create_connection(('::1', 80), 1)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
