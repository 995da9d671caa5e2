"""dramatiq as a peer, without results: one process of threads."""
# mypy: ignore-errors
# its packages are in an environment of their own

import os
import sys
import time
from contextlib import asynccontextmanager

import dramatiq
import driver
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=driver.redis_url())
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="noop")
def noop(n):
    driver.ran(n)


@dramatiq.actor(actor_name="sleep")
def sleep(n):
    time.sleep(driver.SLEEP_S)
    driver.ran(n)


TASKS = {"noop": noop, "sleep": sleep}


@asynccontextmanager
async def opened():
    async def one(kind, n):
        TASKS[kind].send(n)

    async def many(kind, numbers):
        for n in numbers:
            TASKS[kind].send(n)

    yield driver.Submitter(one, many)


def work():
    command = [sys.executable, "-m", "dramatiq", "with_dramatiq", "--processes=1", f"--threads={driver.variant()}"]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    driver.main(opened, work)
