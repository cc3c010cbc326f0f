# The cloud's metadata address.
# tier A: contained
# tier B: contained
# walls: seccomp, network namespace
import socket


def execute_workflow(user_input):
    try:
        done = socket.create_connection(('169.254.169.254', 80), 1)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
