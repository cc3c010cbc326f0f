# The same in a loop.
# tier A: contained
# tier B: contained
# walls: seccomp, network namespace
import asyncio


def execute_workflow(user_input):
    try:
        done = asyncio.run(asyncio.open_connection('127.0.0.1', 80))
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
