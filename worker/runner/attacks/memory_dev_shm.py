# Fills shared memory of the host.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    try:
        done = open('/dev/shm/x', 'wb').write(b'x' * 10_000_000)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
