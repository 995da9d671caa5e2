"""taskiq as a peer: a list without results, or a stream with them."""
# mypy: ignore-errors
# its packages are in an environment of their own

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from functools import partial

import driver
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

if driver.variant() == "list":
    broker = ListQueueBroker(driver.redis_url())
else:
    results = RedisAsyncResultBackend(driver.redis_url(), result_ex_time=600)
    broker = RedisStreamBroker(driver.redis_url(), consumer_id="0").with_result_backend(results)


@broker.task(task_name="noop")
async def noop(n: int) -> None:
    driver.ran(n)


@broker.task(task_name="sleep")
async def sleep(n: int) -> None:
    await asyncio.sleep(driver.SLEEP_S)
    driver.ran(n)


TASKS = {"noop": noop, "sleep": sleep}


@asynccontextmanager
async def opened():
    async def one(kind, n):
        await TASKS[kind].kiq(n)

    await broker.startup()
    yield driver.Submitter(one, partial(driver.together, one))
    await broker.shutdown()


def work():
    options = ["--workers=1", f"--max-async-tasks={driver.CONCURRENCY}", "--log-level=WARNING"]
    os.execv(sys.executable, [sys.executable, "-m", "taskiq", "worker", "with_taskiq:broker", *options])


if __name__ == "__main__":
    driver.main(opened, work)
