"""What is done to the ledger in its tests: jobs of one kind, every way in which an attempt ends, workers that die."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from uuid6 import uuid7

from arqsvc.errors import BadInput, Conflict, Retryable, SourceAway, Throttled, TimedOut
from arqsvc.infra.db import connect, open_db, rows
from arqsvc.jobs import new
from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import Limit, Params, Result, Retries, job
from arqsvc.jobs.ledger import Ended, Ending
from arqsvc.jobs.move import Claimed, Moved
from arqsvc.jobs.new import NewJob
from arqsvc.jobs.run import LOST, TOO_LATE, Interrupted, Outcome, ending
from tests.jobs.ledger_model import ALIVE, AT_ONCE, GONE, End, Job

LEASE_S = 20.0
LATE_S = 3600.0
LIMITS = (Limit("few", at_once=AT_ONCE),)
WORKERS = ("one", "two", "three")


class Noted(Result):
    """What came of it."""

    text: str


class Note(Params, kind="test.note", result=Noted, queue="test", retries=Retries(first_s=0.0, outage_s=LATE_S)):
    """Do nothing."""


@job(Note)
async def note(ctx: JobContext, params: Note) -> Noted:
    return Noted(text="")


async def insert(jobs: Sequence[Job]) -> Sequence[Moved]:
    """Write these jobs."""
    return await new.insert(
        [
            NewJob(
                id=job.id, project="tester", kind=Note.kind, queue=Note.queue, params={}, tries=job.tries,
                shared=job.shared, needs=job.needs, limits=LIMITS if job.limited else (),
                delay_s=LATE_S if job.delayed else None,
            ) for job in jobs
        ]
    )  # fmt: skip


def ended(end: End, claimed: Claimed) -> Ended:
    """Return what a worker writes of an attempt that ends so; one that returns publishes a file of its own."""
    text = f"{end.job} {end.attempt}"
    file = {"id": str(uuid7()), "name": text, "media_type": "text/plain", "size_bytes": 0, "sha256": ""}
    files = [file] if end.how == "returns" else []
    return Ended(end.job, end.attempt, _ending(end, claimed, text), files=files)


def _ending(end: End, claimed: Claimed, text: str) -> Ending:
    outcomes: dict[str, Outcome] = {
        "returns": Noted(text=text),
        "retryable": Retryable("later", delay_s=end.delay_s),
        "rejected": Conflict("not so"),
        "job failed": BadInput("not this"),
        "too slow": TimedOut("too long"),
        "an outage": SourceAway("nobody answers"),
        "throttled": Throttled("not so fast", delay_s=end.delay_s),
        "interrupted": Interrupted(),
        "a bug": RuntimeError("a secret of the programmer"),
    }
    given_back = {"lost by its worker": LOST, "too late to join": TOO_LATE}
    return given_back.get(end.how) or ending(outcomes[end.how], claimed, note, delay_s=end.delay_s, took_s=0.0)


async def begin() -> None:
    """Forget all jobs, and let every worker beat; the database is this test's own."""
    for table in ("job", "job_event", "attempt", "job_need", "file", "rate", "turn"):
        await _write(f"DELETE FROM {table}")
    for worker in WORKERS:
        await let(worker, ALIVE)


async def let(worker: str, how: str) -> None:
    """Let a worker beat for an hour, be dead for an hour, or be gone."""
    if how == GONE:
        await _write("DELETE FROM worker WHERE id = $1", worker)
        return
    await _write(
        """INSERT INTO worker (id, host, pid, queues, concurrency, started_at, heartbeat_at)
        VALUES ($1, '', 0, '[]', 1, now(), now() + make_interval(hours => $2))
        ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at""",
        worker, 1 if how == ALIVE else -1,
    )  # fmt: skip


async def time_comes(jobs: Sequence[UUID]) -> None:
    """Let the time come for which these are scheduled."""
    await _write("UPDATE job SET due_at = now() WHERE due_at IS NOT NULL AND id = ANY($1::uuid[])", list(jobs))


async def _write(sql: str, *values: Any) -> None:
    await rows(f"WITH done AS ({sql} RETURNING 1) SELECT * FROM done", values)


@contextmanager
def ledger_loop(database_url: str) -> Iterator[asyncio.Runner]:
    """Open the database in an event loop that outlives the examples of a test; it does not wait for the disk."""
    with asyncio.Runner() as runner:
        runner.run(not_wait_for_the_disk(database_url))
        database = open_db(database_url, pool_size=8)
        runner.run(database.__aenter__())
        try:
            yield runner
        finally:
            runner.run(database.__aexit__(None, None, None))


async def not_wait_for_the_disk(database_url: str) -> None:
    """Let commits on connections that are opened from now on return before they are on the disk."""
    connection = await connect(database_url)
    try:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    finally:
        await connection.close()
