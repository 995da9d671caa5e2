"""This service as a contestant: a worker and an API as `arqsvc` runs them, with ledger, heartbeats, events and results.

Without QUEUE_URL jobs are submitted as the API does it, by `JobQueue`; with it, by POST to the API at that address.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import uvloop

from arqsvc.api.app import create_app
from arqsvc.api.keys import KeyKind, create_secret
from arqsvc.cli.instance import listening_on, serving
from arqsvc.cli.services import stopped_by_signals
from arqsvc.client.wire import Wire
from arqsvc.infra.db import migrate, open_db
from arqsvc.infra.memory import settle
from arqsvc.infra.redis import open_redis
from arqsvc.infra.supervise import supervised
from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import Params, Result, job
from arqsvc.jobs.queue import JobQueue
from arqsvc.logs import log_to
from arqsvc.settings import Settings
from arqsvc.worker.worker import open_worker
from benchmarks.queue.peers import driver

QUEUE = "bench"


class Ran(Result):
    """Which one it was."""

    n: int


class Noop(Params, kind="bench.noop", result=Ran, queue=QUEUE):
    """Do nothing."""

    n: int


@job(Noop)
async def noop(ctx: JobContext, params: Noop) -> Ran:
    driver.ran(params.n)
    return Ran(n=params.n)


class Sleep(Params, kind="bench.sleep", result=Ran, queue=QUEUE):
    """Sleep for 10 ms."""

    n: int


@job(Sleep)
async def sleep(ctx: JobContext, params: Sleep) -> Ran:
    await asyncio.sleep(driver.SLEEP_S)
    driver.ran(params.n)
    return Ran(n=params.n)


JOBS = {one.params.kind: one for one in (noop, sleep)}
PARAMS: dict[str, type[Params]] = {"noop": Noop, "sleep": Sleep}


@asynccontextmanager
async def opened() -> AsyncIterator[driver.Submitter]:
    async with open_db(driver.database_url()), open_redis(driver.redis_url()) as redis:
        queue = JobQueue(redis)

        async def one(kind: str, n: int) -> None:
            await queue.submit(PARAMS[kind].model_validate({"n": n}), project="bench")

        async def many(kind: str, numbers: Sequence[int]) -> None:
            await queue.submit_all([PARAMS[kind].model_validate({"n": n}) for n in numbers], project="bench")

        if "QUEUE_URL" not in os.environ:
            async with supervised([("submissions", queue.run)]):
                yield driver.Submitter(one, many)
            return
        key = await create_secret(KeyKind.KEY, project="bench", name="bench")
        async with Wire(os.environ["QUEUE_URL"], key) as client:

            async def post(kind: str, n: int) -> None:
                await client.submit(PARAMS[kind].kind, {"n": n})

            yield driver.Submitter(post, partial(driver.together, post))


async def prepare() -> None:
    await migrate(driver.database_url())


async def work() -> None:
    settings = Settings.read(os.environ)
    log_to(settings.log_level, settings.log_file)
    with stopped_by_signals() as stop:
        async with open_worker(settings, {QUEUE: settings.concurrency}, lambda: JOBS, (), {}) as worker:
            settle()
            await worker.run(stop)


async def serve(address: Path) -> None:
    """Run the API; its address is written into a file once it answers."""
    settings = Settings.read(os.environ)
    log_to(settings.log_level, settings.log_file)
    params = {kind.kind: kind for kind in PARAMS.values()}
    with stopped_by_signals() as stop, listening_on("127.0.0.1", 0) as listening:
        async with serving(create_app(settings, params), listening) as url:
            settle()
            new = address.with_suffix(".new")
            new.write_text(json.dumps(url))
            new.replace(address)
            await stop.wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", path]:
            uvloop.run(serve(Path(path)))
        case _:
            driver.main(opened, lambda: uvloop.run(work()), prepare)
