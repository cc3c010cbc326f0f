# Opens the library for writing.
# outcome: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = os.chmod(os.__file__, 0o777)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
