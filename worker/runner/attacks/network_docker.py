# The container engine's socket.
# tier A: contained
# tier B: contained
# walls: seccomp, private root
import socket


def execute_workflow(user_input):
    try:
        done = socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
