# Gives itself more.
# tier A: contained
# tier B: contained
# walls: capabilities, user
import resource


def execute_workflow(user_input):
    try:
        done = [resource.setrlimit(kind, (resource.RLIM_INFINITY,) * 2) for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_STACK, resource.RLIMIT_FSIZE)]
    except (OSError, ValueError):
        return "contained"
    return f"BREACH: {done!r}"
