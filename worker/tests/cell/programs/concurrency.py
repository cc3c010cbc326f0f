"""Threads, loops and what lies between them."""
import asyncio
import concurrent.futures
import contextvars
import queue
import signal
import threading
import time

current = contextvars.ContextVar("current", default="outside")


async def square(number):
    await asyncio.sleep(0.001)
    return number * number


async def produce(items):
    for item in items:
        yield await square(item)


async def execute_workflow(user_input):
    assert await asyncio.gather(*[square(n) for n in range(20)]) == [n * n for n in range(20)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(square(n)) for n in range(5)]
    assert [task.result() for task in tasks] == [0, 1, 4, 9, 16]
    assert [value async for value in produce([1, 2])] == [1, 4]
    assert await asyncio.to_thread(lambda: sum(range(10))) == 45
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(5)
    except TimeoutError:
        pass
    else:
        raise AssertionError("no timeout")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
            group.create_task(asyncio.wait_for(asyncio.sleep(5), 0.01))
    except* TimeoutError:
        pass
    semaphore, lock, results = asyncio.Semaphore(2), threading.Lock(), queue.Queue()

    async def limited():
        async with semaphore:
            await asyncio.sleep(0)

    await asyncio.gather(*[limited() for _ in range(5)])
    threads = [threading.Thread(target=lambda n=n: results.put(n)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results.get() for _ in range(20)) == list(range(20))
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        assert list(pool.map(str, range(4))) == ["0", "1", "2", "3"]
    token = current.set("inside")
    assert contextvars.copy_context()[current] == "inside"
    current.reset(token)
    timer = threading.Timer(0.001, results.put, ["late"])
    timer.start()
    assert results.get(timeout=5) == "late"
    signal.signal(signal.SIGALRM, lambda *_: results.put("alarm"))
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    await asyncio.sleep(0.01)
    assert results.get(timeout=5) == "alarm"
    started = time.monotonic()
    await asyncio.sleep(0.01)
    assert time.monotonic() - started >= 0.009
    # Left running on purpose: the result does not wait for it.
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
    asyncio.create_task(asyncio.sleep(60))
    return "ok"
