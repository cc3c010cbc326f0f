# Wants a core dump.
# tier A: contained
# tier B: contained
# walls: RLIMIT_CORE
import resource


def execute_workflow(user_input):
    try:
        done = resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    except (OSError, ValueError):
        return "contained"
    return f"BREACH: {done!r}"
