# A name that lies in no folder.
# tier A: contained
# tier B: contained
# walls: seccomp, network namespace
import socket


def execute_workflow(user_input):
    try:
        done = socket.socket(socket.AF_UNIX).connect('\0name')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
