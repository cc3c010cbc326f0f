# Raw packets.
# tier A: contained
# tier B: contained
# walls: seccomp, network namespace
import socket


def execute_workflow(user_input):
    try:
        done = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
