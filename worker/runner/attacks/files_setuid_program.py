# A program with the set-uid bit.
# tier A: contained
# tier B: contained
# walls: no_new_privs, nosuid, noexec
import os


def execute_workflow(user_input):
    try:
        done = (open('x', 'wb').write(b'#!/bin/sh'), os.chmod('x', 0o6755), os.execv('./x', ['x']))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
