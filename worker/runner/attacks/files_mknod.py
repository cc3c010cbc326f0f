# Makes a device.
# tier A: contained
# tier B: contained
# walls: seccomp, Landlock, capabilities
import os


def execute_workflow(user_input):
    try:
        done = os.mknod('disk', 0o60666, os.makedev(254, 0))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
