# A secret in a host name.
# tier A: contained
# tier B: contained
# walls: seccomp, network namespace
import socket


def execute_workflow(user_input):
    try:
        done = socket.getaddrinfo('secret.example.com', 80)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
