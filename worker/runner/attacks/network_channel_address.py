# Sends to an address on a pair.
# tier A: contained
# tier B: contained
# walls: seccomp
import socket


def execute_workflow(user_input):
    try:
        done = socket.socketpair()[0].sendto(b'x', '\0name')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
