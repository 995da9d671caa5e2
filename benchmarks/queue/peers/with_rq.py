"""rq as a peer: a process of its own for each job, or none."""
# mypy: ignore-errors
# its packages are in an environment of their own

import time
from contextlib import asynccontextmanager

import driver
from redis import Redis
from rq import Queue, SimpleWorker, Worker

WORKERS = {"fork": Worker, "simple": SimpleWorker}


def noop(n):
    driver.ran(n)


def sleep(n):
    time.sleep(driver.SLEEP_S)
    driver.ran(n)


@asynccontextmanager
async def opened():
    queue = Queue(connection=Redis.from_url(driver.redis_url()))

    async def one(kind, n):
        queue.enqueue(f"with_rq.{kind}", n)

    async def many(kind, numbers):
        queue.enqueue_many([Queue.prepare_data(f"with_rq.{kind}", (n,)) for n in numbers])

    yield driver.Submitter(one, many)


def work():
    redis = Redis.from_url(driver.redis_url())
    WORKERS[driver.variant()](["default"], connection=redis).work(logging_level="WARNING")


if __name__ == "__main__":
    driver.main(opened, work)
