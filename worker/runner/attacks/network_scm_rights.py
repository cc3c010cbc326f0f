# Looks for descriptors in a message, and sends its own.
# tier A: contained
# tier B: contained
# walls: seccomp
import socket


def execute_workflow(user_input):
    left, right = socket.socketpair()
    for attempt in (lambda: socket.send_fds(left, [b"x"], [3]), lambda: right.recvmsg(1, 1024, socket.MSG_DONTWAIT), lambda: socket.fromfd(3, socket.AF_UNIX, socket.SOCK_STREAM).recvmsg(1, 1024, socket.MSG_DONTWAIT)):
        try:
            return f"BREACH: {attempt()!r}"
        except PermissionError:
            pass
    return "contained"
