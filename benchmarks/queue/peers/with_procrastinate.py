"""Procrastinate as a peer: PostgreSQL is its queue and its ledger."""
# mypy: ignore-errors
# its packages are in an environment of their own

import asyncio
from contextlib import asynccontextmanager

import driver
import uvloop
from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=driver.database_url(), min_size=1, max_size=10))


@app.task(name="noop")
async def noop(n):
    driver.ran(n)


@app.task(name="sleep")
async def sleep(n):
    await asyncio.sleep(driver.SLEEP_S)
    driver.ran(n)


TASKS = {"noop": noop, "sleep": sleep}


@asynccontextmanager
async def opened():
    async def one(kind, n):
        await TASKS[kind].defer_async(n=n)

    async def many(kind, numbers):
        await TASKS[kind].batch_defer_async(*({"n": n} for n in numbers))

    async with app.open_async():
        yield driver.Submitter(one, many)


async def prepare():
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


async def work():
    async with app.open_async():
        await app.run_worker_async(concurrency=driver.CONCURRENCY)


if __name__ == "__main__":
    driver.main(opened, lambda: uvloop.run(work()), prepare)
