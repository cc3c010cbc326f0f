# The same by a descriptor that gives no access.
# tier A: contained
# tier B: contained
# walls: seccomp, private root, user
import ctypes
import os


def execute_workflow(user_input):
    libc = ctypes.CDLL(None, use_errno=True)
    fchmodat2 = 452
    done = []
    for flags in (os.O_PATH | os.O_DIRECTORY, os.O_RDONLY | os.O_DIRECTORY):
        try:
            folder = os.open("..", flags)
        except OSError:
            continue
        mode = os.fstat(folder).st_mode & 0o777
        for attempt in (lambda: os.fchmod(folder, mode), lambda: os.utime(folder)):
            try:
                attempt()
                done.append(flags)
            except OSError:
                pass
        if libc.syscall(fchmodat2, folder, b"", mode, 0x1000) == 0:
            done.append("fchmodat2")
    return f"BREACH: {done}" if done else "contained"
