# A shell.
# outcome: contained
# walls: seccomp
import subprocess


def execute_workflow(user_input):
    try:
        done = subprocess.run(['/bin/sh', '-c', 'id'])
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
