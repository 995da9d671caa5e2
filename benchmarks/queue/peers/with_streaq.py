"""streaq as a peer."""
# mypy: ignore-errors
# its packages are in an environment of their own

import asyncio
from contextlib import asynccontextmanager

import driver
from coredis import ConnectionPool
from coredis.connection import UnixDomainSocketLocation
from streaq import Worker

worker = Worker(
    redis_pool=ConnectionPool(location=UnixDomainSocketLocation(driver.redis_socket()), decode_responses=True),
    concurrency=driver.CONCURRENCY,
    anyio_kwargs={"use_uvloop": True},
)


@worker.task
async def noop(n: int) -> None:
    driver.ran(n)


@worker.task
async def sleep(n: int) -> None:
    await asyncio.sleep(driver.SLEEP_S)
    driver.ran(n)


TASKS = {"noop": noop, "sleep": sleep}


@asynccontextmanager
async def opened():
    async def one(kind, n):
        await TASKS[kind].enqueue(n)

    async def many(kind, numbers):
        await worker.enqueue_many([TASKS[kind].enqueue(n) for n in numbers])

    async with worker:
        yield driver.Submitter(one, many)


if __name__ == "__main__":
    driver.main(opened, worker.run_sync)
