"""The bench: runs a job as a worker does, through JSON, the ledger and the real runner, without arq and its queues."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from arqsvc.families import settings_of
from arqsvc.infra import Infra, open_infra
from arqsvc.infra.counts import Counts
from arqsvc.infra.http import open_http
from arqsvc.infra.pool import Pool
from arqsvc.infra.storage import process_scratch
from arqsvc.infra.supervise import supervised
from arqsvc.jobs.declare import Job, Params, Result
from arqsvc.jobs.files import FileRecord, file_row
from arqsvc.jobs.queue import JobQueue
from arqsvc.jobs.record import AttemptRecord, JobRecord, State
from arqsvc.jobs.runner import Means, Runner
from arqsvc.settings import Settings
from arqsvc.testing.clock import Clock
from arqsvc.testing.servers import Servers, open_servers

PROJECT = "tester"
WORKER = "bench"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a job."""

    outcome: str
    """succeeded, failed, throttled, ...: see the tables of the README."""
    error: Mapping[str, Any] | None
    """The problem document that clients see."""
    traceback: str | None
    """What the operator sees."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job."""

    id: UUID
    params: Params
    state: State
    """succeeded, failed or cancelled; or scheduled or blocked, if it waits for a time to come."""
    reason: str | None
    result: Result | None
    """Of the class that its Params name; None unless it succeeded."""
    error: Mapping[str, Any] | None
    """The problem document of the last attempt that failed."""
    attempts: tuple[Attempt, ...]
    """All that have ended, in order."""
    files: Mapping[str, Path]
    """What it published, by name; to be read only."""
    steps: tuple[str, ...]
    """The steps of progress that the last attempt told, in order."""
    due_in_s: float | None
    """Of a scheduled job, seconds until it is tried again."""


class Bench:
    """Performs the jobs of one test; `open_bench` makes it."""

    def __init__(self, infra: Infra, runner: Runner, queue: JobQueue, known: "Known") -> None:
        self.clock = Clock()
        self._infra, self._runner, self._queue, self._known = infra, runner, queue, known

    async def upload(self, path: Path) -> UUID:
        """Store a file, as `POST /files` does; returns the id that a field of type `FileId` takes."""
        row = file_row(path.name, await self._infra.storage.put_path(path))
        file = await FileRecord.create(**{**row, "id": UUID(row["id"])}, project=PROJECT, created_at=datetime.now(UTC))
        return file.id

    async def perform(self, params: Params) -> Done:
        """Submit a job, with all that it needs, and run it; returns once it has ended, or waits for a time to come.

        Its coroutine stands in the module of its Params, or in `jobs.py` beside that.
        """
        self._known.learn(params)
        job = await self._queue.submit(params, project=PROJECT)
        await self._run_what_may_run()
        return await self._done(job, params)

    async def go_on(self, done: Done) -> Done:
        """Run what has come due by the clock; returns what became of this job by then."""
        await self._queue.release_due()
        await self._run_what_may_run()
        return await self._done(done.id, done.params)

    async def _run_what_may_run(self) -> None:
        while True:
            await self._queue.release_limited()
            queued = await JobRecord.filter(state=State.QUEUED).order_by("place")
            claimed = await self._runner.claim([(job.id, job.dispatch) for job in queued])
            if not claimed:
                return
            async with asyncio.TaskGroup() as group:
                for job, run in claimed:
                    group.create_task(self._runner.run(job, run, lambda: None))
            await self._runner.recorder.idle()

    async def _done(self, job: UUID, params: Params) -> Done:
        row = await JobRecord.get(id=job)
        attempts = await AttemptRecord.filter(job_id=job).order_by("number")
        files = await FileRecord.filter(job_id=job).order_by("name")
        return Done(
            id=job,
            params=params,
            state=State(row.state),
            reason=row.reason,
            result=None if row.result is None else type(params).result.model_validate(row.result),
            error=row.error,
            attempts=tuple(Attempt(each.outcome or "", each.error, each.traceback) for each in attempts),
            files={file.name: self._infra.storage.path(file.sha256) for file in files},
            steps=tuple(step["step"] for step in row.progress["steps"]) if row.progress else (),
            due_in_s=(row.due_at - datetime.now(UTC)).total_seconds() if row.due_at else None,
        )


class Known:
    """The jobs and the settings of the families whose Params were seen."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.jobs: dict[str, Job[Any, Any]] = {}
        self.settings: dict[type[BaseModel], BaseModel] = {}
        self._environ = environ

    def learn(self, params: Params) -> None:
        """Find the coroutine of a job, and of all that it needs.

        Raises:
            LookupError: there is none.
        """
        for need in params.needs():
            self.learn(need)
        kind = type(params)
        if kind.kind in self.jobs:
            return
        package = kind.__module__.rpartition(".")[0]
        modules = [sys.modules[kind.__module__]]
        if package and find_spec(f"{package}.jobs"):
            modules.append(import_module(f"{package}.jobs"))
        found = (value for module in modules for value in vars(module).values() if isinstance(value, Job))
        self.jobs.update({job.params.kind: job for job in found})
        if kind.kind not in self.jobs:
            raise LookupError(f"No coroutine does {kind.kind}. Write one under @job({kind.__name__}), in jobs.py.")
        if package:
            self.settings.update({each: each.read(self._environ) for each in settings_of(package)})


@asynccontextmanager
async def open_bench(
    servers: Servers | None = None, folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Bench]:
    """Open a bench with a database of its own.

    Args:
        servers: what to use; by default some are started for the block.
        folder: where files lie; by default a temporary folder.
        environ: the settings of the families, as environment variables (`ARQSVC_...`); no others are read.
    """
    async with AsyncExitStack() as stack:
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="arqsvc-"))
            stack.push_async_callback(asyncio.to_thread, shutil.rmtree, folder, ignore_errors=True)
        if servers is None:
            servers = await stack.enter_async_context(open_servers(folder / "servers"))
        settings = Settings.read(
            environ or {},
            state_dir=folder,
            redis_url=servers.redis_url,
            database_url=await servers.new_database(),
        )
        pool = await stack.enter_async_context(Pool(size=settings.concurrency))
        infra = await stack.enter_async_context(open_infra(settings))
        scratch = await stack.enter_async_context(process_scratch(settings.scratch, WORKER))
        http = await stack.enter_async_context(open_http(settings, infra.redis))
        known, queue = Known(environ or {}), JobQueue(infra.redis)
        means = Means(infra, pool, http, known.jobs, scratch, known.settings, Counts())
        runner = Runner(means, WORKER, queue)
        await stack.enter_async_context(supervised([("submissions", queue.run), *runner.loops]))
        yield Bench(infra, runner, queue, known)
