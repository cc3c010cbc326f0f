# A pair of another family.
# tier A: contained
# tier B: contained
# walls: seccomp
import socket


def execute_workflow(user_input):
    try:
        done = socket.socketpair(socket.AF_INET)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
