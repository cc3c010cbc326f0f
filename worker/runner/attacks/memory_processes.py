# Two processes of 40 megabytes each.
# tier A: contained
# tier B: contained
# walls: seccomp
import concurrent.futures


def grow(number):
    return len(bytearray(40_000_000))


def execute_workflow(user_input):
    try:
        with concurrent.futures.ProcessPoolExecutor(2) as pool:
            done = list(pool.map(grow, range(2)))
    except (OSError, ImportError, NotImplementedError):
        return "contained"
    return f"BREACH: {done!r}"
