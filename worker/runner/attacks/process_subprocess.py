# A shell.
# tier A: contained
# tier B: contained
# walls: seccomp, Landlock
import subprocess


def execute_workflow(user_input):
    try:
        done = subprocess.run(['/bin/sh', '-c', 'id'])
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
