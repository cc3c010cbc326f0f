# A second name for a library file.
# tier A: contained
# tier B: contained
# walls: private root, Landlock, seccomp
import os


def execute_workflow(user_input):
    try:
        done = os.link(os.__file__, 'mine')
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
