"""Servers, an API and three workers, each of which can be ended at any time, and comes back."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, Signals
from typing import NamedTuple

from pydantic import SecretStr
from redis.asyncio import Redis

from arqsvc.api.keys import KeyKind, create_secret
from arqsvc.infra.db import migrate, open_db
from arqsvc.infra.embedded import Embedded, embedded_postgres, embedded_redis
from arqsvc.infra.guarded import Guarded, guarded
from arqsvc.infra.state import runtime_folder
from arqsvc.infra.supervise import task_group
from arqsvc.settings import Settings
from benchmarks.chaos.kinds import marks_file
from benchmarks.chaos.link import Link
from benchmarks.chaos.plan import WORKERS, Plan
from tests.servers import environment

GRACE_S = 10.0


class Server:
    """An embedded server that can be away for a while.

    Args:
        start: runs it for a block, always on the same files and the same socket.
        pid: asks which process it is.
    """

    def __init__(
        self, start: Callable[[], AbstractAsyncContextManager[Embedded]], pid: Callable[[str], Awaitable[int]]
    ) -> None:
        self._start, self._pid = start, pid
        self._running = AsyncExitStack()
        self._changes = asyncio.Lock()
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run it for the block."""
        await self._enter()
        try:
            yield
        finally:
            await self._running.aclose()

    @asynccontextmanager
    async def away(self, signal: Signals | None = None) -> AsyncIterator[None]:
        """End it, in order or by a signal, and start it again after the block."""
        async with self._changes:
            if signal:
                os.kill(await self._pid(self.url), signal)
            await self._running.aclose()
            try:
                yield
            finally:
                await self._enter()

    async def _enter(self) -> None:
        self.url = (await self._running.enter_async_context(self._start())).url


def valkey(state: Path, runtime: Path) -> Server:
    """Return a Valkey, not yet running, with its files in `state/redis`."""

    async def pid(url: str) -> int:
        async with Redis.from_url(url) as redis:
            return int((await redis.info("server"))["process_id"])

    return Server(lambda: embedded_redis(state, runtime), pid)


def postgres(state: Path, runtime: Path) -> Server:
    """Return a PostgreSQL, not yet running, with its files in `state/postgres`."""

    async def pid(_: str) -> int:
        return int((state / "postgres" / "postmaster.pid").read_text().split()[0])

    return Server(lambda: embedded_postgres(state, runtime), pid)


@dataclass
class Kept:
    """A process that is started again whenever it ends."""

    program: str
    settings: Settings
    process: Guarded | None = None
    exit_codes: list[int] = field(default_factory=list)

    @property
    def pid(self) -> int | None:
        """Its process id; None while there is none."""
        return self.process.pid if self.process and self.process.exit_code is None else None

    async def run(self) -> None:
        """Keep it running until cancelled."""
        command = [sys.executable, "-m", "benchmarks.chaos.programs", self.program]
        while True:
            async with guarded(
                command, stop_signal=SIGTERM, grace_s=GRACE_S, env=environment(self.settings)
            ) as self.process:
                self.exit_codes.append(await self.process.wait())


@asynccontextmanager
async def running(processes: Sequence[Kept]) -> AsyncIterator[None]:
    """Keep these running for the block."""
    async with task_group() as group:
        tasks = [group.create_task(each.run()) for each in processes]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


class Links(NamedTuple):
    """The ways of a worker to its servers."""

    redis: Link
    database: Link


@dataclass(frozen=True, slots=True)
class Stage:
    """All of it."""

    settings: Settings
    """Of the API, which reaches the servers directly."""
    redis: Server
    redis_files: Path
    database: Server
    api: Kept
    workers: list[Kept]
    links: list[Links]
    key: str

    @property
    def url(self) -> str:
        """Where the API answers."""
        return f"http://{self.settings.host}:{self.settings.port}"


@asynccontextmanager
async def open_stage(folder: Path, plan: Plan) -> AsyncIterator[Stage]:
    """Run all of it, with its files in an empty folder."""
    state = folder / "servers"
    state.mkdir()
    async with AsyncExitStack() as stack:
        runtime = stack.enter_context(runtime_folder(state, None))
        redis, database = valkey(state, runtime), postgres(state, runtime)
        for server in (redis, database):
            await stack.enter_async_context(server.running())
        settings = _settings(folder, plan, redis.url, database.url)
        marks_file(settings.state_dir).parent.mkdir()
        marks_file(settings.state_dir).touch()
        await migrate(database.url)
        async with open_db(database.url):
            key = await create_secret(KeyKind.KEY, project="chaos", name="chaos")
        sockets = runtime / "redis.sock", runtime / ".s.PGSQL.5432"
        links = [Links(*map(Link, sockets)) for _ in range(WORKERS)]
        for link in (link for pair in links for link in pair):
            await stack.enter_async_context(link.listening())
        api = Kept("serve", settings.model_copy(update={"log_file": folder / "api.log"}))
        workers = [Kept("work", _linked(settings, folder / f"worker{n}.log", pair)) for n, pair in enumerate(links)]
        await stack.enter_async_context(running([api, *workers]))
        yield Stage(settings, redis, state / "redis", database, api, workers, links, key)


def _settings(folder: Path, plan: Plan, redis_url: str, database_url: str) -> Settings:
    return Settings.read(
        {}, state_dir=folder / "state", redis_url=redis_url, database_url=database_url, port=_free_port(),
        concurrency=plan.concurrency, heartbeat_s=plan.heartbeat_s, lease_s=plan.lease_s, reconcile_s=plan.reconcile_s,
        drain_s=5.0,
    )  # fmt: skip


def _linked(settings: Settings, log: Path, links: Links) -> Settings:
    """Return the settings of a worker that reaches its servers through links."""
    urls = {
        "redis_url": SecretStr(f"redis://127.0.0.1:{links.redis.port}"),
        "database_url": SecretStr(f"postgres://arqsvc@127.0.0.1:{links.database.port}/arqsvc?sslmode=disable"),
    }
    return settings.model_copy(update={**urls, "log_file": log})


def _free_port() -> int:
    """Return a port that an API started again finds free again."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
