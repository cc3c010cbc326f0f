# Cuts files short that it may not open.
# tier A: contained
# tier B: contained
# walls: seccomp, private root, Landlock, user
import os


def execute_workflow(user_input):
    own = os.getcwd()
    for path in (os.__file__, os.path.join(own, "..", "file"), "/tmp/file", "/etc/hostname"):
        try:
            size = os.stat(path).st_size
            os.truncate(path, size)
            return f"BREACH: {path}"
        except OSError:
            pass
    return "contained"
