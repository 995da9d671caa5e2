"""JobContext: all that a running job may reach."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel

from arqsvc.errors import BadInput, DatabaseAway, NotFound
from arqsvc.infra.db import UNAVAILABLE
from arqsvc.infra.http import Http
from arqsvc.infra.pool import Usage
from arqsvc.infra.storage import ScratchFolder, Storage, Stored
from arqsvc.jobs import ledger
from arqsvc.jobs.children import Children, Computation
from arqsvc.jobs.files import FileRecord, file_row, find_file
from arqsvc.jobs.joblog import JobLog
from arqsvc.jobs.progress import ProgressWriter
from arqsvc.jobs.record import JobRecord
from arqsvc.jobs.run import Interruption, Run
from arqsvc.jobs.waiting import needs_of
from arqsvc.settings import Settings

R = TypeVar("R")
S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Input:
    """A stored file that a job reads."""

    path: Path
    """Its content; read only."""
    name: str
    """The name that it was uploaded or published under."""


@dataclass(frozen=True, slots=True)
class Needed(Generic[S]):
    """What a job that this one needed has done."""

    result: S
    files: Mapping[str, Input]
    """What it published, by name."""


AWAY_S = 5.0
"""Seconds after which a job that needs the database tries again."""
CHECKPOINT_BYTES = 64 * 1024
"""Longest JSON text of a checkpoint."""


@contextmanager
def ledger_errors() -> Iterator[None]:
    """Turn a database that is away into DatabaseAway: the job waits for it, and loses no try."""
    try:
        yield
    except UNAVAILABLE as error:
        raise DatabaseAway("The database does not answer. The job goes on once it is back.", delay_s=AWAY_S) from error


@dataclass(slots=True)
class JobContext:
    """What one attempt of one job works with."""

    job_id: UUID
    kind: str
    project: str
    attempt: int
    checkpointed: Any
    """What an earlier attempt gave to `checkpoint` last; None in the first."""
    settings: Settings
    http: Http
    storage: Storage
    _scratch: ScratchFolder
    _family_settings: Mapping[type[BaseModel], BaseModel]
    _log: JobLog
    _run: Run
    _children: Children
    _memory_bytes: int
    files: list[dict[str, Any]] = field(default_factory=list)
    """Rows of what this attempt published; they come into being when it succeeds."""
    peak_memory_bytes: int = 0
    """Largest memory of its computations so far, in bytes."""
    cpu_s: float = 0.0
    """CPU time of its computations so far, in seconds."""

    @property
    def scratch(self) -> Path:
        """An empty private folder, gone after the attempt."""
        return self._scratch.made()

    @property
    def interruption(self) -> Interruption | None:
        """Why the coroutine is being cancelled: by a user, a limit, or because the worker stops; None while it is not.

        A cancelled coroutine may clean up for as long as the reason allows, and then lets the cancel pass.
        """
        return self._run.interruption

    async def checkpoint(self, value: Any) -> None:
        """Keep where the work stands: the next attempt, here or elsewhere, finds it in `checkpointed`.

        Args:
            value: JSON values, at most 64 KiB of text; it takes the place of the one before.
        """
        if len(json.dumps(value)) > CHECKPOINT_BYTES:
            raise ValueError(f"a checkpoint holds at most {CHECKPOINT_BYTES:,} bytes of JSON; publish more as a file")
        with ledger_errors():
            await ledger.keep_checkpoint({job.id: job.attempt for job in self._run.members.values()}, value)

    async def compute(self, function: Callable[..., R], *args: Any, reports: bool = False) -> R:
        """Run a pure function in a child process; ended with the job when that is cancelled or out of time.

        What it logs, up to 2,000 lines of 4 KiB, goes to the job's log.

        Args:
            function: importable by its module's name; takes and returns picklable values.
            *args: its arguments.
            reports: whether it takes a keyword `report(step, fraction)` for its progress.
        """
        assert self._progress
        report = self._report if reports else None
        call = Computation(self.kind, self._run, self._memory_bytes, report, self._use)
        return await self._children.run(function, args, call)

    async def progress(self, step: str, done: float, total: float = 1.0, unit: str | None = None) -> None:
        """Tell followers where the work stands: `done` of `total` units, in this step."""
        self._progress.note(step, done, total, unit)

    def log(self, message: str, level: int = logging.INFO) -> None:
        """Add a line to the job's log, which its submitter reads; what the job logs by `logging` goes there too."""
        self._log.add(self._run, level, message)

    def configured(self, settings: type[S]) -> S:
        """Return the settings of a family, as they were read when the worker started."""
        found = self._family_settings[settings]
        assert isinstance(found, settings)
        return found

    async def needed(self, kind: str, result: type[S]) -> Needed[S]:
        """Return what the job of this kind that this one needed has done.

        Raises:
            BadInput: it is deleted, or content that it published is not in storage any more.
        """
        with ledger_errors():
            needs = [need.id for need in await needs_of([self.job_id]) if need.kind == kind]
            if not needs:
                raise BadInput(
                    f"The job {kind} that job {self.job_id} needs is deleted. Use rerun, which does all of it anew.",
                    reason="needed_deleted",
                )
            (job,) = needs
            row = await JobRecord.get(id=job)
            found = await FileRecord.filter(job_id=job)
        files = {file.name: self._input(file) for file in found}
        return Needed(result.model_validate(row.result), files)

    async def open(self, file: UUID) -> Input:
        """Return a stored file of the job's project.

        Raises:
            BadInput: it does not exist any more.
        """
        try:
            with ledger_errors():
                found = await find_file(file, self.project)
        except NotFound as error:
            raise BadInput(error.detail, reason="no_such_file") from error
        return self._input(found)

    def _input(self, file: FileRecord) -> Input:
        path = self.storage.path(file.sha256)
        if not path.is_file():
            raise BadInput(
                f"The content of file {file.id} ({file.name}) is not in storage. Upload it, or fetch it, again.",
                reason="content_missing",
            )
        return Input(path, file.name)

    async def publish(self, path: Path, *, name: str | None = None) -> None:
        """Put a file into storage under its hash, as a file of this job."""
        self.publish_stored(await self.storage.put_path(path), name or path.name)

    def publish_stored(self, stored: Stored, name: str) -> None:
        """Make content that lies in storage a file of this job."""
        assert self._progress
        self.storage.named(stored.sha256)
        self.files.append(file_row(name, stored))

    @property
    def _progress(self) -> ProgressWriter:
        if self._run.progress is None:
            raise RuntimeError("this attempt is over: its coroutine was cancelled and did not end in time")
        return self._run.progress

    def _report(self, step: str, fraction: float) -> None:
        if self._run.progress:
            self._run.progress.note(step, fraction, 1.0, None)

    def _use(self, usage: Usage) -> None:
        self.peak_memory_bytes = max(self.peak_memory_bytes, usage.peak_memory_bytes)
        self.cpu_s += usage.cpu_s
