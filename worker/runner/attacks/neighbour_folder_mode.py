# Takes all permissions from the folder of all private folders, and from those beside its own.
# tier A: contained
# tier B: contained
# walls: seccomp, private root, user
import os


def _try(path):
    mode = os.stat(path).st_mode & 0o777
    os.chmod(path, 0)
    os.chmod(path, mode)  # it was shown: nobody else's test need suffer


def execute_workflow(user_input):
    own = os.path.basename(os.getcwd())
    beside = [str(int(own) + step) for step in (-2, -1, 1, 2)] if own.isdigit() else ["etc", "proc"]
    done = []
    for path in ["..", *(os.path.join("..", name) for name in beside)]:
        try:
            _try(path)
            done.append(path)
        except OSError:
            pass
    return f"BREACH: {done}" if done else "contained"
