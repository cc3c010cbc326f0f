# Types into the worker's terminal.
# tier A: contained
# tier B: contained
# walls: descriptors, seccomp
import fcntl
import termios


def execute_workflow(user_input):
    try:
        done = fcntl.ioctl(0, termios.TIOCSTI, b'x')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
