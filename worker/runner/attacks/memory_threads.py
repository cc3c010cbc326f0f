# A thousand threads.
# tier A: contained
# tier B: contained
# walls: RLIMIT_NPROC, RLIMIT_AS
import threading


def execute_workflow(user_input):
    stop = threading.Event()
    started = 0
    try:
        for _ in range(1000):
            threading.Thread(target=stop.wait, daemon=True).start()
            started += 1
    except RuntimeError:
        return "contained"
    return f"BREACH: {started}"
