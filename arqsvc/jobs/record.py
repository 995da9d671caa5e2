"""The job, its attempts and its events in PostgreSQL, and every legal change of state: one statement each.

A change names what it changes from. A write of a running job names its attempt, so that a late write of an older
attempt changes nothing. Each statement writes the event that followers see in the same transaction.

                 .--------------- retry ----------------.
                 v                                       |
    blocked -> queued -> running -> succeeded            |
                 ^  ^      | | '--> failed ------------->+
                 |  |      | '----> cancelled ---------->'
                 |  '------'  the worker stopped or died
              scheduled <-- a failed attempt with tries left
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from arqsvc.infra.db import rows


class State(StrEnum):
    """Where a job is; why is in `reason`."""

    BLOCKED = "blocked"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
MAX_LOSSES = 3
"""Workers that a job may lose before it ends as poisoned."""


class JobRecord(Model):
    """One job, as it stands."""

    id = fields.UUIDField(primary_key=True)
    owner = fields.CharField(64)
    kind = fields.CharField(100)
    queue = fields.CharField(64)
    state = fields.CharEnumField(State, max_length=16)
    reason = fields.CharField(64, null=True)
    params: Any = fields.JSONField()
    result: Any = fields.JSONField(null=True)
    error: Any = fields.JSONField(null=True)
    progress: Any = fields.JSONField(null=True)
    priority = fields.SmallIntField(db_default=5)
    tries = fields.SmallIntField()
    failures = fields.SmallIntField(db_default=0)
    losses = fields.SmallIntField(db_default=0)
    attempt = fields.IntField(db_default=0)
    dispatch = fields.IntField(db_default=0)
    seq = fields.IntField(db_default=0)
    worker = fields.CharField(128, null=True)
    created_at = fields.DatetimeField()
    queued_at = fields.DatetimeField(null=True)
    due_at = fields.DatetimeField(null=True)
    started_at = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)
    cancel_requested_at = fields.DatetimeField(null=True)

    class Meta:
        """Table and indexes."""

        table = "job"
        indexes = (
            Index(fields=("owner", "id"), name="job_owner"),
            Index(fields=("state", "queued_at"), name="job_waiting"),
            Index(fields=("state", "due_at"), name="job_due"),
        )


class AttemptRecord(Model):
    """One attempt of a job."""

    id = fields.BigIntField(primary_key=True)
    job: fields.ForeignKeyRelation[JobRecord] = fields.ForeignKeyField(
        "arqsvc.JobRecord", related_name="attempts", on_delete=fields.CASCADE
    )
    number = fields.IntField()
    worker = fields.CharField(128)
    started_at = fields.DatetimeField()
    finished_at = fields.DatetimeField(null=True)
    outcome = fields.CharField(16, null=True)
    error: Any = fields.JSONField(null=True)
    traceback = fields.TextField(null=True)
    peak_memory_bytes = fields.BigIntField(null=True)
    cpu_s = fields.FloatField(null=True)

    class Meta:
        """Table and indexes."""

        table = "attempt"
        unique_together = (("job", "number"),)


class EventRecord(Model):
    """One change of a job's state; `seq` counts from 1 without a gap."""

    id = fields.BigIntField(primary_key=True)
    job: fields.ForeignKeyRelation[JobRecord] = fields.ForeignKeyField(
        "arqsvc.JobRecord", related_name="events", on_delete=fields.CASCADE
    )
    seq = fields.IntField()
    at = fields.DatetimeField()
    state = fields.CharEnumField(State, max_length=16)
    reason = fields.CharField(64, null=True)
    attempt = fields.IntField()
    due_at = fields.DatetimeField(null=True)
    error: Any = fields.JSONField(null=True)

    class Meta:
        """Table and indexes."""

        table = "job_event"
        unique_together = (("job", "seq"),)


@dataclass(frozen=True, slots=True)
class Moved:
    """A job that has just changed its state."""

    id: UUID
    owner: str
    kind: str
    queue: str
    state: State
    seq: int
    attempt: int
    dispatch: int
    failures: int
    tries: int
    params: Mapping[str, Any]


_TOLD = """
told AS (
    INSERT INTO job_event (job_id, seq, at, state, reason, attempt, due_at, error)
    SELECT id, seq, now(), state, reason, attempt, due_at, error FROM moved
)
SELECT id, owner, kind, queue, state, seq, attempt, dispatch, failures, tries, params FROM moved
"""


async def _move(update: str, *values: Any, first: str = "", also: str = "") -> list[Moved]:
    """Run one UPDATE or INSERT of jobs, its events and what else belongs to it in one transaction."""
    moved = await rows(f"WITH {first} moved AS ({update} RETURNING job.*), {also} {_TOLD}", values)
    return [Moved(**{**row, "params": json.loads(row["params"]), "state": State(row["state"])}) for row in moved]


async def insert(job: UUID, *, owner: str, kind: str, queue: str, params: str, tries: int) -> Moved:
    """Write a new job, `queued`; `params` is JSON text."""
    (moved,) = await _move(
        """INSERT INTO job (id, owner, kind, queue, state, params, tries, dispatch, seq, created_at, queued_at)
        VALUES ($1, $2, $3, $4, 'queued', $5::jsonb, $6, 1, 1, now(), now())""",
        job, owner, kind, queue, params, tries,
    )  # fmt: skip
    return moved


async def start(job: UUID, dispatch: int, worker: str) -> Moved | None:
    """queued -> running, as a new attempt; None if this delivery is not the latest or the job is not queued."""
    moved = await _move(
        """UPDATE job SET state = 'running', reason = NULL, error = NULL, progress = NULL, due_at = NULL,
            attempt = attempt + 1, seq = seq + 1, worker = $3, started_at = coalesce(started_at, now())
        WHERE id = $1 AND state = 'queued' AND dispatch = $2""",
        job, dispatch, worker,
        also="""tried AS (INSERT INTO attempt (job_id, number, worker, started_at)
            SELECT id, attempt, worker, now() FROM moved),""",
    )  # fmt: skip
    return moved[0] if moved else None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ends, and where its job goes."""

    outcome: str
    """succeeded, failed or interrupted: what the attempt's row says, unless the job is cancelled with it."""
    state: State
    reason: str | None = None
    error: Mapping[str, Any] | None = None
    traceback: str | None = None
    result: str | None = None
    """JSON text."""
    delay_s: float | None = None
    """For `scheduled`: seconds until it is queued again."""
    failed: bool = False
    """Whether this attempt uses up one of the job's tries."""


async def finish(
    job: UUID,
    attempt: int,
    end: Ending,
    *,
    progress: Mapping[str, Any] | None = None,
    peak_memory_bytes: int | None = None,
    cpu_s: float | None = None,
    files: Sequence[Mapping[str, Any]] = (),
) -> Moved | None:
    """running -> what `end` says, if this attempt still holds the job; None, and no change, if it does not.

    A job that was to be cancelled does not wait for another attempt: the row decides, `queued` and `scheduled` become
    `cancelled`. `files` are the rows of what this attempt published; they come into being with the change.
    """
    moved = await _move(
        """UPDATE job SET state = held.next, error = $5::jsonb, result = $6::jsonb, progress = $7::jsonb,
            reason = CASE WHEN held.next = 'cancelled' THEN 'cancelled_by_user' ELSE $4 END,
            failures = job.failures + $8, seq = job.seq + 1, worker = NULL,
            dispatch = job.dispatch + (held.next = 'queued')::int,
            queued_at = CASE WHEN held.next = 'queued' THEN now() ELSE job.queued_at END,
            due_at = CASE WHEN held.next = 'scheduled' THEN now() + make_interval(secs => $9) END,
            finished_at = CASE WHEN held.next IN ('succeeded', 'failed', 'cancelled') THEN now() END
        FROM held WHERE job.id = held.id""",
        job, attempt, end.state.value, end.reason, _json(end.error), storable(end.result), _json(progress),
        int(end.failed), end.delay_s, end.outcome, storable(end.traceback), peak_memory_bytes, cpu_s,
        json.dumps(list(files)),
        first="""held AS (
            SELECT id, CASE WHEN cancel_requested_at IS NOT NULL AND $3::text IN ('queued', 'scheduled')
                THEN 'cancelled' ELSE $3::text END AS next
            FROM job WHERE id = $1 AND state = 'running' AND attempt = $2 FOR UPDATE
        ),""",
        also="""tried AS (
            UPDATE attempt SET finished_at = now(), error = $5::jsonb, traceback = $11::text,
                outcome = CASE WHEN moved.state = 'cancelled' THEN 'cancelled' ELSE $10::text END,
                peak_memory_bytes = $12::bigint, cpu_s = $13::float8
            FROM moved WHERE attempt.job_id = moved.id AND attempt.number = moved.attempt
        ), filed AS (
            INSERT INTO file (id, owner, job_id, name, media_type, size_bytes, sha256, created_at)
            SELECT f.id, moved.owner, moved.id, f.name, f.media_type, f.size_bytes, f.sha256, now()
            FROM moved, jsonb_to_recordset($14::jsonb)
                AS f(id uuid, name text, media_type text, size_bytes bigint, sha256 text)
        ),""",
    )  # fmt: skip
    return moved[0] if moved else None


async def release_due(limit: int = 500) -> list[Moved]:
    """scheduled -> queued, for all whose time has come; the earliest first, at most `limit`."""
    return await _move(
        """UPDATE job SET state = 'queued', reason = 'retry', due_at = NULL, queued_at = now(),
            dispatch = dispatch + 1, seq = seq + 1
        WHERE id IN (SELECT id FROM job WHERE state = 'scheduled' AND due_at <= now()
            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)""",
        limit,
    )


async def rescue(lease_s: float) -> list[Moved]:
    """running -> queued, for all whose worker is dead; the third loss ends a job as `failed`, `poisoned`.

    A worker is dead when its row is gone or its heartbeat is older than `lease_s` by the database's clock.
    A job that was to be cancelled is cancelled: nobody is left to be told.
    """
    return await _move(
        """UPDATE job SET
            state = CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
                WHEN losses + 1 >= $2 THEN 'failed' ELSE 'queued' END,
            reason = CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled_by_user'
                WHEN losses + 1 >= $2 THEN 'poisoned' ELSE 'worker_lost' END,
            error = CASE WHEN cancel_requested_at IS NULL AND losses + 1 >= $2 THEN jsonb_build_object(
                'type', '/problems/poisoned', 'title', 'The job cost too many workers', 'status', 500,
                'code', 'poisoned', 'detail', 'This job lost ' || $2::int || ' workers; the last was ' || worker
                || '. Look at their logs for memory or crashes before you retry it.') END,
            finished_at = CASE WHEN cancel_requested_at IS NOT NULL OR losses + 1 >= $2 THEN now() END,
            losses = losses + 1, dispatch = dispatch + 1, seq = seq + 1, queued_at = now(), worker = NULL
        WHERE id IN (SELECT job.id FROM job LEFT JOIN worker ON worker.id = job.worker
            WHERE job.state = 'running'
                AND (worker.id IS NULL OR worker.heartbeat_at < now() - make_interval(secs => $1))
            FOR UPDATE OF job SKIP LOCKED)""",
        lease_s, MAX_LOSSES,
        also="""tried AS (
            UPDATE attempt SET finished_at = now(), outcome = 'lost'
            FROM moved WHERE attempt.job_id = moved.id AND attempt.number = moved.attempt
        ),""",
    )  # fmt: skip


async def cancel(job: UUID) -> Moved | None:
    """blocked, scheduled or queued -> cancelled at once; None if the job is in none of these."""
    moved = await _move(
        """UPDATE job SET state = 'cancelled', reason = 'cancelled_by_user', seq = seq + 1, finished_at = now(),
            due_at = NULL, cancel_requested_at = now()
        WHERE id = $1 AND state IN ('blocked', 'scheduled', 'queued')""",
        job,
    )
    return moved[0] if moved else None


async def ask_cancel(job: UUID) -> datetime | None:
    """Note on a running job that it is to be cancelled; returns since when, None if it does not run."""
    found = await rows(
        """WITH asked AS (UPDATE job SET cancel_requested_at = coalesce(cancel_requested_at, now())
            WHERE id = $1 AND state = 'running' RETURNING cancel_requested_at) SELECT * FROM asked""",
        [job],
    )
    return found[0]["cancel_requested_at"] if found else None


async def retry(job: UUID) -> Moved | None:
    """failed or cancelled -> queued, with all its tries again; None if the job is in neither."""
    moved = await _move(
        """UPDATE job SET state = 'queued', reason = 'retried_by_user', error = NULL, result = NULL, progress = NULL,
            failures = 0, losses = 0, dispatch = dispatch + 1, seq = seq + 1, queued_at = now(), due_at = NULL,
            finished_at = NULL, cancel_requested_at = NULL
        WHERE id = $1 AND state IN ('failed', 'cancelled')""",
        job,
    )
    return moved[0] if moved else None


async def queued_page(after: tuple[datetime, UUID] | None, limit: int = 1000) -> Sequence[Mapping[str, Any]]:
    """Return `id, queue, dispatch, queued_at` of jobs queued for more than 2 s, oldest first, behind `after`."""
    return await rows(
        """SELECT id, queue, dispatch, queued_at FROM job
        WHERE state = 'queued' AND queued_at < now() - interval '2 seconds'
            AND ($1::timestamptz IS NULL OR (queued_at, id) > ($1, $2::uuid))
        ORDER BY queued_at, id LIMIT $3""",
        [*(after or (None, None)), limit],
    )


@dataclass(frozen=True, slots=True)
class Held:
    """A job that the ledger says a worker runs."""

    id: UUID
    attempt: int
    cancel_requested: bool


async def held_by(worker: str) -> list[Held]:
    """Return the jobs that this worker runs, as the ledger has it."""
    found = await rows(
        """SELECT id, attempt, cancel_requested_at IS NOT NULL AS cancel_requested
        FROM job WHERE state = 'running' AND worker = $1""",
        [worker],
    )
    return [Held(**row) for row in found]


async def forget_dead_workers(lease_s: float) -> None:
    """Delete the rows of workers that are dead and hold nothing any more."""
    await rows(
        """WITH dead AS (DELETE FROM worker WHERE heartbeat_at < now() - make_interval(secs => $1)
            AND NOT EXISTS (SELECT FROM job WHERE job.worker = worker.id AND job.state = 'running') RETURNING id)
        SELECT id FROM dead""",
        [lease_s],
    )


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else storable(json.dumps(value))


def storable(text: str | None) -> str | None:
    """Return JSON text or a traceback without U+0000, which PostgreSQL does not store."""
    return text and text.replace("\\u0000", "\\ufffd").replace("\0", "\ufffd")
