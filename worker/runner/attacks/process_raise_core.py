# Wants a core dump.
# outcome: contained
# walls: rlimits
import resource


def execute_workflow(user_input):
    try:
        done = resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    except (OSError, ValueError):
        return "contained"
    return f"BREACH: {done!r}"
