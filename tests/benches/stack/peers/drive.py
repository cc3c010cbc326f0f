"""Submits jobs to a peer and waits for their results; prints one line of JSON.

drive.py celery|celery_bwrap|rq latency COUNT PAUSE_MS | throughput COUNT < {"code", "user_input", "expected"}
latency: one after the other, each after a pause, milliseconds of each. throughput: all at once, jobs a second from first submit to last
result. A wrong result is an error: a peer that fails fast must not look fast.
"""

import json
import os
import sys
import time


def celery_calls(name):
    import celery_app

    task = getattr(celery_app, name)
    return (lambda *arguments: task.delay(*arguments)), (lambda handle: handle.get(timeout=60))


def rq_calls():
    import redis
    import rq

    import work

    queue = rq.Queue(connection=redis.Redis(unix_socket_path=os.environ["BENCH_SOCKET"]))

    def result_of(job):
        result = job.latest_result(timeout=60)
        if result is None or result.type != result.Type.SUCCESSFUL:
            raise RuntimeError("an RQ job without a result")
        return result.return_value

    return (lambda *arguments: queue.enqueue(work.plain, *arguments)), result_of


def main():
    peer, mode, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    job = json.load(sys.stdin)
    calls = {"celery": lambda: celery_calls("plain"), "celery_bwrap": lambda: celery_calls("jailed"), "rq": rq_calls}
    submit, result_of = calls[peer]()
    arguments = (job["code"], job["user_input"])

    def right(value):
        if value != job["expected"]:
            raise RuntimeError(f"a wrong result: {value!r}")

    right(result_of(submit(*arguments)))  # connections are open from here on
    if mode == "latency":
        milliseconds, pause = [], int(sys.argv[4]) / 1e3
        for _ in range(count):
            if pause:
                time.sleep(pause)
            began = time.perf_counter()
            value = result_of(submit(*arguments))
            milliseconds.append((time.perf_counter() - began) * 1e3)
            right(value)
        print(json.dumps({"latencies_ms": milliseconds}))
    else:
        began = time.perf_counter()
        handles = [submit(*arguments) for _ in range(count)]
        for handle in handles:
            right(result_of(handle))
        print(json.dumps({"per_second": count / (time.perf_counter() - began)}))


main()
