# Sockets of the family AF_NETLINK.
# tier A: contained
# tier B: contained
# walls: seccomp
import socket


def execute_workflow(user_input):
    try:
        done = socket.socket(getattr(socket, 'AF_NETLINK', 38), socket.SOCK_RAW)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
