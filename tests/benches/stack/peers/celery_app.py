"""The Celery side: `python3 -m celery -A celery_app worker`, with its defaults and as many processes as cores."""

import os

from celery import Celery

import work

app = Celery("bench", broker=os.environ["BENCH_BROKER"], backend=os.environ["BENCH_BROKER"])
app.conf.update(broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)


@app.task
def plain(code, user_input):
    return work.plain(code, user_input)


@app.task
def jailed(code, user_input):
    return work.jailed(code, user_input)
