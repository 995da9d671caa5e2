"""JobContext: all that a running job may reach."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from arqsvc.errors import BadInput, NotFound
from arqsvc.infra.pool import Pool, Usage
from arqsvc.infra.storage import Storage
from arqsvc.jobs.events import ProgressWriter
from arqsvc.jobs.files import file_row, find_file
from arqsvc.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Input:
    """A stored file that a job reads."""

    path: Path
    """Its content; read only."""
    name: str
    """The name that it was uploaded under."""


@dataclass
class JobContext:
    """What one attempt of one job works with."""

    job_id: UUID
    owner: str
    attempt: int
    scratch: Path
    """An empty private folder, gone after the attempt."""
    settings: Settings
    _pool: Pool
    _storage: Storage
    _progress: ProgressWriter
    files: list[dict[str, Any]] = field(default_factory=list)
    """Rows of what this attempt published; they come into being when it succeeds."""
    peak_memory_bytes: int = 0
    """Largest memory of its computations so far, in bytes."""
    cpu_s: float = 0.0
    """CPU time of its computations so far, in seconds."""

    async def compute(self, function: Callable[..., R], *args: Any, reports: bool = False) -> R:
        """Run a pure function in a child process; ended with the job when that is cancelled or out of time.

        Args:
            function: importable by its module's name; takes and returns picklable values.
            *args: its arguments.
            reports: whether it takes a keyword `report(step, fraction)` for its progress.
        """
        return await self._pool.run(
            function,
            *args,
            memory_limit_bytes=self.settings.child_memory_bytes,
            on_report=self._report if reports else None,
            on_usage=self._use,
        )

    async def progress(self, step: str, done: float, total: float = 1.0, unit: str | None = None) -> None:
        """Tell followers where the work stands: `done` of `total` units, in this step."""
        self._progress.note(step, done, total, unit)

    async def open(self, file: UUID) -> Input:
        """Return a stored file of the job's owner.

        Raises:
            BadInput: it does not exist any more.
        """
        try:
            found = await find_file(file, self.owner)
        except NotFound as error:
            raise BadInput(error.detail, reason="no_such_file") from error
        path = self._storage.path(found.sha256)
        if not path.is_file():
            raise BadInput(
                f"The content of file {file} ({found.name}) is not in storage. Upload it again.",
                reason="content_missing",
            )
        return Input(path, found.name)

    async def publish(self, path: Path, *, name: str | None = None) -> UUID:
        """Put a file into storage under its hash, as a file of this job; returns its id."""
        row = file_row(name or path.name, await self._storage.put_path(path))
        self.files.append(row)
        return UUID(row["id"])

    def _report(self, step: str, fraction: float) -> None:
        self._progress.note(step, fraction, 1.0, None)

    def _use(self, usage: Usage) -> None:
        self.peak_memory_bytes = max(self.peak_memory_bytes, usage.peak_memory_bytes)
        self.cpu_s += usage.cpu_s
