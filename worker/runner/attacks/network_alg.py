# Sockets of the family AF_ALG.
# tier A: contained
# tier B: contained
# walls: seccomp, network namespace
import socket


def execute_workflow(user_input):
    try:
        done = socket.socket(getattr(socket, 'AF_ALG', 38), socket.SOCK_RAW)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
