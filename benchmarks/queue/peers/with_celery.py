"""Celery as a peer, without results: two child processes, or threads."""
# mypy: ignore-errors
# its packages are in an environment of their own

import time
from contextlib import asynccontextmanager

import driver
from celery import Celery

app = Celery(broker=f"redis+socket://{driver.redis_socket()}?virtual_host=0")
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)


@app.task(name="noop")
def noop(n):
    driver.ran(n)


@app.task(name="sleep")
def sleep(n):
    time.sleep(driver.SLEEP_S)
    driver.ran(n)


TASKS = {"noop": noop, "sleep": sleep}


@asynccontextmanager
async def opened():
    async def one(kind, n):
        TASKS[kind].delay(n)

    async def many(kind, numbers):
        with app.producer_pool.acquire(block=True) as producer:
            for n in numbers:
                TASKS[kind].apply_async((n,), producer=producer)

    yield driver.Submitter(one, many)


def work():
    children = 2 if driver.variant() == "prefork" else driver.CONCURRENCY
    options = ["--without-gossip", "--without-mingle", "--loglevel=WARNING"]
    app.worker_main(["worker", f"--pool={driver.variant()}", f"--concurrency={children}", *options])


if __name__ == "__main__":
    driver.main(opened, work)
