# Looks for descriptors somebody forgot.
# outcome: contained
# walls: close_range
import os


def execute_workflow(user_input):
    try:
        done = [fd for fd in range(4, 64) if os.path.basename(str(fd)) and (os.fstat(fd).st_mode & 0o170000) in (0o100000, 0o040000)] or os.fstat(63)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
