"""SAQ as a peer."""
# mypy: ignore-errors
# its packages are in an environment of their own

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import driver
import uvloop
from redis.asyncio import Redis
from saq import Worker
from saq.queue.redis import RedisQueue


async def noop(ctx, *, n):
    driver.ran(n)


async def sleep(ctx, *, n):
    await asyncio.sleep(driver.SLEEP_S)
    driver.ran(n)


def queue():
    return RedisQueue(Redis.from_url(driver.redis_url()))


@asynccontextmanager
async def opened():
    queues = queue()
    await queues.connect()

    async def one(kind, n):
        await queues.enqueue(kind, n=n)

    yield driver.Submitter(one, partial(driver.together, one))
    await queues.disconnect()


async def work():
    await Worker(queue(), [noop, sleep], concurrency=driver.CONCURRENCY).start()


if __name__ == "__main__":
    driver.main(opened, lambda: uvloop.run(work()))
