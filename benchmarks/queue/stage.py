"""One contestant on fresh servers: its programs, what its jobs have left behind, and who used how much of the CPU."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from signal import SIGTERM
from typing import Any

import asyncpg
import psutil
from redis.asyncio import Redis

from arqsvc.infra.db import connect
from arqsvc.infra.guarded import Guarded, guarded
from arqsvc.settings import Settings
from benchmarks.queue.peers.driver import RECORD
from tests import servers

PEERS = Path(__file__).with_name("peers")
PROGRAM_S = 60.0
START_S = 40.0
INSTALL_S = 300.0
GRACE_S = 5.0
LOOK_S = 0.003
WARM_UPS = 130  # more than one worker takes at a time


class Failed(Exception):
    """A contestant did not do what it was to do."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who takes part."""

    name: str
    command: tuple[str, ...]
    """Behind its Python."""
    variant: str = ""
    requirements: tuple[str, ...] = ()
    """What its environment holds; none for ours."""
    unfinished: str = ""
    """SQL that says whether its ledger holds a job that has not ended; empty where PostgreSQL is not used."""
    jobs_divisor: int = 1
    """What the number of jobs is divided by: it would take minutes for all."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A contestant with its servers."""

    contestant: Contestant
    python: Path
    folder: Path
    environment: dict[str, str]
    redis: Redis
    redis_pid: int
    database_pid: int | None
    ledger: asyncpg.Connection | None
    numbers: Iterator[int] = field(default_factory=lambda: count(0, 1_000_000))
    """Where the numbers of each go of submissions begin, so that no record is taken for another's."""

    async def program(self, *args: object, **environment: str) -> Any:
        """Run the program of the contestant to its end; returns what it says."""
        with (self.folder / "program.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                self.python, *self.contestant.command, *map(str, args),
                stdout=asyncio.subprocess.PIPE, stderr=log, env={**self.environment, **environment},
            )  # fmt: skip
            try:
                async with asyncio.timeout(PROGRAM_S):
                    said, _ = await process.communicate()
            except TimeoutError:
                raise Failed(f"{args} took longer than {PROGRAM_S:g} s") from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode:
            raise Failed(f"{args} ended with code {process.returncode}: {last_line(self.folder / 'program.log')}")
        return json.loads(said) if said.strip() else None

    @asynccontextmanager
    async def running(self, *args: str) -> AsyncIterator[Guarded]:
        """Run a program of the contestant for the block."""
        command, log = [str(self.python), *self.contestant.command, *args], self.folder / "worker.log"
        async with guarded(command, stop_signal=SIGTERM, grace_s=GRACE_S, log=log, env=self.environment) as process:
            yield process

    async def workers(self, stack: AsyncExitStack, running: list[Guarded], wanted: int) -> None:
        """Have this many workers, each of which has run jobs and has nothing to do."""
        end_s = time.monotonic() + START_S
        while len(running) < wanted:
            running.append(await stack.enter_async_context(self.running("work")))
        before = self.ran()
        while True:
            first = next(self.numbers)
            await self.program("submit", "many", "sleep", first, WARM_UPS)
            while self.done(before, first) < WARM_UPS:
                if time.monotonic() > end_s:
                    raise Failed(f"the worker does not run jobs: {last_line(self.folder / 'worker.log')}")
                await asyncio.sleep(LOOK_S)
            seen = {pid for _, _, pid in self.records(before)}
            if all(seen & {one.pid for one in family(worker.pid)} or self.forks for worker in running):
                break
            if time.monotonic() > end_s:
                raise Failed(f"one of {wanted} workers runs no jobs")
        await self.ended(end_s)

    def done(self, before: int, first: int) -> int:
        """Return how many different jobs with numbers from `first` on have left records, behind the first `before`."""
        return len({number for number, _, _ in self.records(before) if number >= first})

    async def served(self, stack: AsyncExitStack) -> dict[str, str]:
        """Run the API, if the contestant has one; returns where, for the environment of who submits."""
        if self.contestant.requirements:
            return {}
        address = self.folder / "address"
        await stack.enter_async_context(self.running("serve", str(address)))
        await self.until(address.exists, time.monotonic() + START_S, "the API does not answer")
        return {"QUEUE_URL": json.loads(address.read_text())}

    @property
    def forks(self) -> bool:
        """Whether the process that ran a job is gone after it."""
        return self.contestant.variant == "fork"

    async def until(self, reached: Callable[[], bool], end_s: float, otherwise: str) -> None:
        """Look until something is so."""
        while not reached():
            if time.monotonic() > end_s:
                raise Failed(f"{otherwise}: {last_line(self.folder / 'worker.log')}")
            await asyncio.sleep(LOOK_S)

    async def ended(self, end_s: float) -> None:
        """Return once the ledger, if there is one, says that all jobs have ended."""
        while self.ledger and await self.ledger.fetchval(self.contestant.unfinished):
            if time.monotonic() > end_s:
                raise Failed("the ledger holds jobs that do not end")
            await asyncio.sleep(LOOK_S)

    @property
    def tally(self) -> Path:
        """Where jobs leave their records."""
        return self.folder / "tally"

    def ran(self) -> int:
        """Return how many jobs have run."""
        return self.tally.stat().st_size // RECORD.size

    def records(self, after: int) -> Iterator[tuple[int, float, int]]:
        """Return number, time and process of each job but the first `after`."""
        whole = self.tally.read_bytes()[after * RECORD.size : self.ran() * RECORD.size]
        return RECORD.iter_unpack(whole)

    def cpu_s(self, workers: Iterable[Guarded]) -> tuple[float, float, float]:
        """Return the CPU seconds of the workers, of Redis and of PostgreSQL, their children included."""
        database = cpu_s(family(self.database_pid)) if self.database_pid else 0.0
        return sum(cpu_s(family(worker.pid)) for worker in workers), cpu_s(family(self.redis_pid)), database

    async def commands(self) -> int:
        """Return how many commands Redis has seen, this one included."""
        return int((await self.redis.info("stats"))["total_commands_processed"])

    @contextmanager
    def suspended(self, workers: Sequence[Guarded]) -> Iterator[None]:
        """Let the workers stand still for the block, so that all begin at its end, with a full queue."""
        processes = [process for worker in workers for process in family(worker.pid)]
        each(processes, "suspend")
        try:
            yield
        finally:
            each(processes, "resume")


def python_of(contestant: Contestant, cache: Path) -> Path:
    """Return the Python of a contestant; its environment is made unless it is there with these versions.

    Raises:
        Failed: it does not install.
    """
    if not contestant.requirements:
        return Path(sys.executable)
    folder = cache / Path(contestant.command[0]).stem
    python, note, wanted = folder / "bin" / "python", folder / "installed", "\n".join(contestant.requirements)
    if not (note.exists() and note.read_text() == wanted):
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *contestant.requirements]
        try:
            subprocess.run(pip, check=True, capture_output=True, timeout=INSTALL_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
            raise Failed(f"it does not install: {said[-1][:200] if said else type(error).__name__}") from error
        note.write_text(wanted)
    return python


def family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def each(processes: Iterable[psutil.Process], act: str) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            getattr(process, act)()


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """CPU seconds of processes and of those of their children that have ended."""
    total_s = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total_s += sum(process.cpu_times()[:4])
    return total_s


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1][:300] if lines else "its log is empty"


def staged(contestant: Contestant, python: Path, act: Callable[[Stage], Any]) -> Any:
    """Return what comes of `act` with a contestant on servers of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arqsvc-queue-")))
        (folder / "tally").touch()
        database = stack.enter_context(servers.postgres(folder / "database")) if contestant.unfinished else None
        return asyncio.run(_acted(contestant, python, folder, database, act))


async def _acted(
    contestant: Contestant, python: Path, folder: Path, database: str | None, act: Callable[[Stage], Any]
) -> Any:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(servers.redis(folder / "redis"))
        redis = await stack.enter_async_context(Redis.from_url(url))
        ledger = await connect(database) if database else None
        if ledger:
            stack.push_async_callback(ledger.close)
        state = Settings.read(
            {}, state_dir=folder / "state", redis_url=url, database_url=database or None, concurrency=64, port=0,
            log_level="INFO" if contestant.variant == "INFO" else "WARNING", log_file=folder / "service.log",
        )  # fmt: skip
        environment = {
            **servers.environment(state), "QUEUE_TALLY": str(folder / "tally"), "QUEUE_VARIANT": contestant.variant,
        }  # fmt: skip
        environment["PYTHONPATH"] += f"{os.pathsep}{PEERS}"
        postmaster = folder / "database" / "postgres" / "postmaster.pid"
        stage = Stage(
            contestant, python, folder, environment, redis, int((await redis.info("server"))["process_id"]),
            int(postmaster.read_text().split()[0]) if database else None, ledger,
        )  # fmt: skip
        if ledger:
            await stage.program("prepare")
        return await act(stage)
