# Writes a time stamp of the library (as it is: it is tried with walls left out, too).
# tier A: contained
# tier B: contained
# walls: private root, user
import os


def execute_workflow(user_input):
    try:
        done = os.utime(os.__file__, ns=(os.stat(os.__file__).st_atime_ns, os.stat(os.__file__).st_mtime_ns))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
