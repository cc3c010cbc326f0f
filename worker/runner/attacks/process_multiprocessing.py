# A pool of processes.
# tier A: contained
# tier B: contained
# walls: seccomp
import multiprocessing


def execute_workflow(user_input):
    try:
        done = multiprocessing.get_context('fork').Process(target=print).start()
    except (OSError, ImportError):
        return "contained"
    return f"BREACH: {done!r}"
