"""A service to measure: fresh servers, the API and a worker in processes of their own. `... work|serve ADDRESS`."""

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

import asyncpg
import uvloop
from redis.asyncio import Redis

from arqsvc.api.app import create_app
from arqsvc.api.keys import KeyKind, create_secret
from arqsvc.cli.instance import listening_on, serving
from arqsvc.cli.services import stopped_by_signals
from arqsvc.infra.db import connect, migrate, open_db
from arqsvc.infra.embedded import embedded_postgres
from arqsvc.infra.guarded import guarded
from arqsvc.infra.memory import settle
from arqsvc.infra.state import runtime_folder
from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import Params, Result, job
from arqsvc.logs import log_to
from arqsvc.settings import Settings
from arqsvc.worker.worker import open_worker
from tests import servers

QUEUE = "bench"
PROJECT = "bench"
START_S = 40.0
GRACE_S = 10.0


class Strolled(Result):
    """Nothing."""


class Stroll(Params, kind="bench.stroll", result=Strolled, queue=QUEUE):
    """Take so many turns, and tell of each."""

    turns: int
    pause_s: float


@job(Stroll)
async def stroll(ctx: JobContext, params: Stroll) -> Strolled:
    for step in range(params.turns):
        await ctx.progress(f"step {step}", step, params.turns)
        await asyncio.sleep(params.pause_s * random.random() * 2)
    return Strolled()


@dataclass(frozen=True)
class Stage:
    """Where the service is."""

    port: int
    key: str
    api_pid: int
    worker_pid: int | None
    server_pids: tuple[int, int]
    """Of PostgreSQL and of Redis."""
    database: asyncpg.Connection
    database_url: str
    redis_url: str


@asynccontextmanager
async def stage(concurrency: int = 64, *, working: bool = True, log_level: str = "WARNING") -> AsyncIterator[Stage]:
    """Run a service for the block, with a worker or without."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arqsvc-api-")))
        (folder / "database").mkdir()
        runtime = stack.enter_context(runtime_folder(folder / "database", None))
        database_url = (await stack.enter_async_context(embedded_postgres(folder / "database", runtime))).url
        redis_url = await stack.enter_async_context(servers.redis(folder / "redis"))
        await migrate(database_url)
        async with open_db(database_url):
            key = await create_secret(KeyKind.KEY, project=PROJECT, name="bench")
        settings = Settings.read(
            {}, state_dir=folder / "state", redis_url=redis_url, database_url=database_url, concurrency=concurrency,
            port=0, log_level=log_level, log_file=folder / "service.log", requests_per_minute=0, streams_per_key=0,
        )  # fmt: skip
        environment, address = servers.environment(settings), folder / "address"
        command = [sys.executable, "-m", "benchmarks.api.stage"]
        api, *workers = [
            await stack.enter_async_context(
                guarded([*command, *words], stop_signal=SIGTERM, grace_s=GRACE_S, env=environment)
            )
            for words in (["serve", str(address)], ["work"])[: 1 + working]
        ]
        await until(address.exists, START_S, "the API does not start")
        database = await connect(database_url)
        stack.push_async_callback(database.close)
        postmaster = int((folder / "database" / "postgres" / "postmaster.pid").read_text().split()[0])
        yield Stage(
            json.loads(address.read_text()), key, api.pid, workers[0].pid if workers else None,
            (postmaster, await pid_of(redis_url)), database, database_url, redis_url,
        )  # fmt: skip


async def pid_of(redis_url: str) -> int:
    """Return the process id of a Redis."""
    async with Redis.from_url(redis_url) as redis:
        return int((await redis.info("server"))["process_id"])


async def until(reached: Callable[[], bool], within_s: float, otherwise: str) -> None:
    end_s = time.monotonic() + within_s
    while not reached():
        if time.monotonic() > end_s:
            raise SystemExit(otherwise)
        await asyncio.sleep(0.05)


async def work(settings: Settings) -> None:
    with stopped_by_signals() as stop:
        jobs = {stroll.params.kind: stroll}
        async with open_worker(settings, {QUEUE: settings.concurrency}, lambda: jobs, (), {}) as worker:
            settle()
            await worker.run(stop)


async def serve(settings: Settings, address: Path) -> None:
    """Run the API; its port is written into a file once it answers."""
    with stopped_by_signals() as stop, listening_on("127.0.0.1", 0) as listening:
        async with serving(create_app(settings, {Stroll.kind: Stroll}), listening):
            settle()
            new = address.with_suffix(".new")
            new.write_text(json.dumps(listening.getsockname()[1]))
            new.replace(address)
            await stop.wait()


def main(program: str, *words: str) -> None:
    settings = Settings.read(os.environ)
    log_to(settings.log_level, settings.log_file)
    uvloop.run(work(settings) if program == "work" else serve(settings, Path(*words)))


if __name__ == "__main__":
    main(*sys.argv[1:])
