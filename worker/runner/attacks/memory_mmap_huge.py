# A terabyte of addresses.
# tier A: contained
# tier B: contained
# walls: RLIMIT_AS
import mmap


def execute_workflow(user_input):
    try:
        m = mmap.mmap(-1, 2 ** 40)
    except (OSError, MemoryError, OverflowError):
        return 'contained'
    return f'BREACH: {len(m)}'
