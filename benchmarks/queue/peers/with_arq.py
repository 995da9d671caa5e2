"""arq as a peer."""
# mypy: ignore-errors
# its packages are in an environment of their own

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import driver
import uvloop
from arq import Worker, create_pool
from arq.connections import RedisSettings

REDIS = RedisSettings(unix_socket_path=driver.redis_socket())


async def noop(ctx, n):
    driver.ran(n)


async def sleep(ctx, n):
    await asyncio.sleep(driver.SLEEP_S)
    driver.ran(n)


@asynccontextmanager
async def opened():
    pool = await create_pool(REDIS)
    yield driver.Submitter(pool.enqueue_job, partial(driver.together, pool.enqueue_job))
    await pool.aclose()


async def work():
    worker = Worker(
        [noop, sleep], redis_settings=REDIS, max_jobs=driver.CONCURRENCY, poll_delay=float(driver.variant())
    )
    await worker.async_run()


if __name__ == "__main__":
    driver.main(opened, lambda: uvloop.run(work()))
