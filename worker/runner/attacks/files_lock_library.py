# A lock on a shared file, where another cell could see it.
# tier A: contained
# tier B: contained
# walls: locks are pretended
import fcntl
import os
import struct


def execute_workflow(user_input):
    with open(os.__file__, "rb") as f:
        fcntl.flock(f, fcntl.LOCK_SH)
        fcntl.lockf(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
        state = fcntl.fcntl(f, fcntl.F_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
    return "contained" if struct.unpack("hhqqi4x", state)[0] in (fcntl.F_WRLCK, fcntl.F_UNLCK) else "BREACH"
