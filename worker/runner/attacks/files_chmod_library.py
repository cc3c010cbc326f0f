# Changes the permissions of the library (to what they are: it is tried with walls left out, too).
# tier A: contained
# tier B: contained
# walls: private root, user
import os


def execute_workflow(user_input):
    try:
        done = os.chmod(os.__file__, os.stat(os.__file__).st_mode & 0o777)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
