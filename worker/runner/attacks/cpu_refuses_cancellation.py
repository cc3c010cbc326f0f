# A task that swallows every cancellation.
# tier A: timeout
# tier B: timeout
# walls: wall clock of the worker
import asyncio


def execute_workflow(user_input):
    async def stubborn():
        while True:
            try:
                await asyncio.sleep(1000)
            except BaseException:
                pass

    asyncio.run(stubborn())
