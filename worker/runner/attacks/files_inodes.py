# Ten thousand empty files.
# tier A: contained
# tier B: budget_exceeded
# walls: tmpfs inodes, watch
import errno
import time


def execute_workflow(user_input):
    try:
        for number in range(10_000):
            open(f"f{number}", "w").close()
    except OSError as error:
        return "contained" if error.errno == errno.ENOSPC else repr(error)
    time.sleep(5)
    return "BREACH"
