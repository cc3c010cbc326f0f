# The container engine's socket.
# outcome: contained
# walls: seccomp, network namespace
import socket


def execute_workflow(user_input):
    try:
        done = socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
