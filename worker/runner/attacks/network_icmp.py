# Pings.
# tier A: contained
# tier B: contained
# walls: seccomp, network namespace
import socket


def execute_workflow(user_input):
    try:
        done = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).sendto(b"\x08\0\0\0\0\0\0\0", ("8.8.8.8", 0))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
