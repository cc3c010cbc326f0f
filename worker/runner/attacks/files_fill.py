# Fills its folder.
# tier A: contained
# tier B: budget_exceeded|contained
# walls: tmpfs size, watch
import errno
import time


def execute_workflow(user_input):
    try:
        for number in range(100):
            with open(f"f{number}", "wb") as f:
                f.write(b"x" * 2_000_000)
    except OSError as error:
        return "contained" if error.errno in (errno.ENOSPC, errno.EFBIG) else repr(error)
    time.sleep(5)
    return "BREACH"
