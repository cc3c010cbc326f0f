# A loop that always has something to do.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
import asyncio


def execute_workflow(user_input):
    async def spin():
        while True:
            await asyncio.sleep(0)

    return asyncio.run(spin())
