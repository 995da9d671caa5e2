"""What jobs log: kept by attempt, written in groups about once a second, and read in pages.

A line comes from `ctx.log`, or from the `logging` of the job's own code and what that calls, in child processes too,
at INFO or above, as far as the worker's own log has it. What this package and its servers' libraries log is the
operator's; tracebacks and secrets of the settings are left out. Nobody waits for the log: a job's end may be seen
before its last lines, and those of the last second are lost with a worker that is killed.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel, SecretStr

from arqsvc.errors import InvalidParams
from arqsvc.infra.db import REFUSED, UNAVAILABLE, rows
from arqsvc.jobs.ledger import storable
from arqsvc.jobs.run import Run
from arqsvc.logs import extras

logger = logging.getLogger(__name__)

EVERY_S = 1.0
"""Longest time until a line is written."""
LINES = 2_000
"""Most lines of an attempt."""
LINE_BYTES = 8 * 1024
"""Longest line."""
ATTEMPT_BYTES = 256 * 1024
"""Most text of an attempt."""
GROUP = 1_000
"""Most lines of one statement."""
UNWRITTEN = 20_000
"""Lines that wait while the database is away; further ones are lost."""
OWN = frozenset(
    {"arqsvc.api", "arqsvc.cli", "arqsvc.infra", "arqsvc.jobs", "arqsvc.worker"}
    | {"aerich", "arq", "asyncio", "asyncpg", "httpcore", "httpx", "redis", "tortoise", "uvicorn"}
)
"""Loggers whose lines, and those of the loggers below them, are the operator's."""
SHORTEST_SECRET = 6
"""Characters; a shorter one would be found by chance."""
MORE = "… more lines were left out: an attempt keeps 2,000 lines and 256 KiB."

_run: ContextVar[Run | None] = ContextVar("arqsvc_logging_run", default=None)


class LineId(NamedTuple):
    """Where a line stands in the log of its job."""

    attempt: int
    n: int = 0

    def __str__(self) -> str:
        return f"{self.attempt}.{self.n}"

    @classmethod
    def parse(cls, text: str) -> "LineId":
        """Return the id that `text` shows.

        Raises:
            InvalidParams: it shows none.
        """
        attempt, _, n = text.strip().partition(".")
        if not (attempt.isdecimal() and (n or "0").isdecimal() and len(attempt) < 10 and len(n) < 10):
            detail = f"{text[:40]!r} is not the id of a line, such as 1.17"
            raise InvalidParams(f"/after: {detail}.", errors=[{"pointer": "/after", "detail": detail}])
        return cls(int(attempt), int(n or 0))


def secrets_of(settings: Iterable[BaseModel]) -> list[str]:
    """Return the values of these settings that no log may show, the longest first."""
    values = [value.get_secret_value() for each in settings for _, value in each if isinstance(value, SecretStr)]
    return sorted((value for value in values if len(value) >= SHORTEST_SECRET), key=len, reverse=True)


class JobLog(logging.Handler):
    """Takes what the attempts of one worker log, and writes it; `run` is to run for as long as attempts do.

    Args:
        secrets: what is replaced by `***`.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__(logging.INFO)
        self._secrets = secrets
        self._lines: list[dict[str, Any]] = []
        self._kept: dict[tuple[UUID, int], tuple[int, int]] = {}
        """Lines and bytes that each attempt has; of one that has too much, one line more."""
        self._wake = asyncio.Event()
        self._taking = threading.Lock()
        self._writing = asyncio.Lock()

    def belongs_to(self, run: Run) -> None:
        """What the current task logs from now on, and the tasks that it starts, belongs to this run."""
        _run.set(run)

    def emit(self, record: logging.LogRecord) -> None:
        """Take down a record of a job's own code; called in any thread."""
        run = _run.get()
        if run is None or _is_own(record.name):
            return
        try:
            self.add(run, record.levelno, " ".join([record.getMessage(), *extras(record)]))
        except Exception:  # as logging has it: a record that cannot be written ends no job
            self.handleError(record)

    def add(self, run: Run, level: int, message: str) -> None:
        """Take down a line of each job that shares the run, unless it has ended."""
        for secret in self._secrets:
            message = message.replace(secret, "***")
        text = message.encode(errors="replace")[:LINE_BYTES].decode(errors="ignore")
        with self._taking:
            for job in list(run.members.values()) if run.progress else ():
                self._keep(job.id, job.attempt, logging.getLevelName(level), text)

    def ended(self, job: UUID, attempt: int) -> None:
        """Write soon what this attempt has logged; it logs no more."""
        if self._kept.pop((job, attempt), None):
            self._wake.set()

    async def run(self) -> None:
        """Listen and write until cancelled."""
        with self._listening():
            while True:
                self._wake.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(EVERY_S):
                        await self._wake.wait()
                await self.write()

    async def write(self) -> None:
        """Write what was taken down; what cannot be written now is tried again later."""
        async with self._writing:
            while self._lines:
                with self._taking:
                    group, self._lines = self._lines[:GROUP], self._lines[GROUP:]
                try:
                    await _write(group)
                except UNAVAILABLE as error:
                    facts = {"lines": len(group), "error": f"{type(error).__name__}: {error}"}
                    if not isinstance(error, REFUSED):
                        logger.warning("jobs' logs are not yet written", extra=facts)
                        with self._taking:
                            self._lines = group + self._lines
                        return
                    logger.warning("lines of jobs' logs are lost", extra=facts)

    def _keep(self, job: UUID, attempt: int, level: str, text: str) -> None:
        lines, size = self._kept.get((job, attempt), (0, 0))
        if lines > LINES or size > ATTEMPT_BYTES or len(self._lines) >= UNWRITTEN:
            return
        lines, size = lines + 1, size + len(text.encode())
        if lines > LINES or size > ATTEMPT_BYTES:
            level, text = "WARNING", MORE
        self._kept[job, attempt] = lines, size
        self._lines.append({
            "job_id": str(job), "attempt": attempt, "n": lines, "at": time.time(), "level": level, "message": text,
        })  # fmt: skip

    @contextmanager
    def _listening(self) -> Iterator[None]:
        root = logging.getLogger()
        root.addHandler(self)
        try:
            yield
        finally:
            root.removeHandler(self)


def _is_own(name: str) -> bool:
    return name in OWN or any(name.startswith(f"{own}.") for own in OWN)


async def _write(lines: Sequence[Mapping[str, Any]]) -> None:
    """Write lines, but those of a job that is gone by now."""
    await rows(
        """WITH told AS (INSERT INTO job_log (job_id, attempt, n, at, level, message)
            SELECT job_id, attempt, n, to_timestamp(at), level, message FROM jsonb_to_recordset($1::jsonb)
                AS line(job_id uuid, attempt int, n int, at float8, level text, message text)
            WHERE EXISTS (SELECT FROM job WHERE job.id = line.job_id)
            ON CONFLICT DO NOTHING RETURNING id)
        SELECT count(*) FROM told""",
        [storable(json.dumps(lines))],
    )


async def lines_of(
    job: UUID, after: LineId, *, attempt: int | None, levels: Sequence[str] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Return `attempt, n, at, level, message` of the lines behind `after`, in order; of these levels, None for all."""
    return await rows(
        """SELECT attempt, n, at, level, message FROM job_log
        WHERE job_id = $1 AND (attempt, n) > ($2, $3) AND ($4::int IS NULL OR attempt = $4)
            AND ($5::text[] IS NULL OR level = ANY($5::text[]))
        ORDER BY attempt, n LIMIT $6""",
        [job, *after, attempt, levels, limit],
    )


def shown_at(at: datetime) -> str:
    """Return when a line was logged, as text logs show it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
