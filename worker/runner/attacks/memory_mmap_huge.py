# A terabyte of addresses.
# outcome: contained
# walls: RLIMIT_AS
import mmap


def execute_workflow(user_input):
    try:
        m = mmap.mmap(-1, 2 ** 40)
    except (OSError, MemoryError, OverflowError):
        return 'contained'
    return f'BREACH: {len(m)}'
