"""Every legal change of a job's state: one statement each, and with it all that follows from it.

A change names what it changes from. A write of a running job names its attempt, so that a late write of an older
attempt changes nothing. Each statement writes in the same transaction the events that followers see, and frees the
jobs that needed one that has ended: once all that a job needs has succeeded it is queued; it ends with one that fails.

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
from typing import Any
from uuid import UUID

from arqsvc.infra.db import rows, transaction
from arqsvc.jobs.record import State

MAX_LOSSES = 3
"""Workers that a job may lose before it ends as poisoned."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A job as a change of its state left it."""

    id: UUID
    owner: str
    kind: str
    queue: str
    state: State
    seq: int
    attempt: int
    dispatch: int
    priority: int
    queued_at: datetime
    failures: int
    tries: int
    shared: str | None
    worker: str | None
    cancel_requested: bool
    params: Mapping[str, Any]


_COLUMNS = """id, owner, kind, queue, state, seq, attempt, dispatch, priority, queued_at, failures, tries, shared,
    worker, cancel_requested_at IS NOT NULL AS cancel_requested, params"""

FREE = """UPDATE job SET state = next.state, error = next.error, seq = seq + 1, dispatch = dispatch + 1,
    reason = CASE next.state WHEN 'failed' THEN 'needed_failed' WHEN 'cancelled' THEN 'needed_cancelled' END,
    queued_at = now(), finished_at = CASE WHEN next.state <> 'queued' THEN now() END"""
"""How a blocked job goes on, or ends, as the rows `next (id, state, error)` say."""

_FOLLOWS = f"""
ended AS (SELECT id, state, error FROM moved WHERE state IN ('succeeded', 'failed', 'cancelled')),
doomed AS (
    SELECT need.job_id AS id, ended.state, ended.error
    FROM ended JOIN job_need need ON need.needed_id = ended.id WHERE ended.state <> 'succeeded'
    UNION SELECT need.job_id, doomed.state, doomed.error FROM doomed JOIN job_need need ON need.needed_id = doomed.id
),
ready AS (
    SELECT DISTINCT need.job_id AS id FROM ended JOIN job_need need ON need.needed_id = ended.id
    WHERE ended.state = 'succeeded' AND NOT EXISTS (
        SELECT FROM job_need other JOIN job needed ON needed.id = other.needed_id
        WHERE other.job_id = need.job_id AND needed.state <> 'succeeded' AND needed.id NOT IN (SELECT id FROM ended))
),
freed AS (
    {FREE}
    FROM (SELECT * FROM doomed UNION ALL SELECT id, 'queued', NULL::jsonb FROM ready) next
    WHERE job.id = next.id AND job.state = 'blocked' RETURNING job.*
),
told AS (
    INSERT INTO job_event (job_id, seq, at, state, reason, attempt, due_at, error)
    SELECT id, seq, now(), state, reason, attempt, due_at, error
    FROM (SELECT * FROM moved UNION ALL SELECT * FROM freed) changed
)
SELECT {_COLUMNS} FROM moved UNION ALL SELECT {_COLUMNS} FROM freed
"""


async def move(update: str, *values: Any, first: str = "", also: str = "") -> list[Moved]:
    """Run one UPDATE or INSERT of jobs, and what belongs to it and follows from it, in one transaction.

    Returns:
        The jobs that it changed, and behind them those that were freed.
    """
    moved = await rows(f"WITH RECURSIVE {first} moved AS ({update} RETURNING job.*), {also} {_FOLLOWS}", values)
    return [_moved(row) for row in moved]


def _moved(row: Mapping[str, Any]) -> Moved:
    return Moved(**{**row, "params": json.loads(row["params"]), "state": State(row["state"])})


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be written."""

    id: UUID
    owner: str
    kind: str
    queue: str
    params: Mapping[str, Any]
    """As JSON values."""
    tries: int
    priority: int
    shared: str | None
    needs: Sequence[UUID]


async def insert(jobs: Sequence[NewJob]) -> list[Moved]:
    """Write new jobs: `queued`, or `blocked` where they need others."""
    new = [
        {
            "id": str(job.id), "owner": job.owner, "kind": job.kind, "queue": job.queue, "params": job.params,
            "tries": job.tries, "priority": job.priority, "shared": job.shared, "needs": list(map(str, job.needs)),
        } for job in jobs
    ]  # fmt: skip
    return await move(
        """INSERT INTO job (id, owner, kind, queue, state, params, tries, priority, shared, dispatch, seq, created_at,
            queued_at)
        SELECT id, owner, kind, queue, CASE WHEN needs = '[]' THEN 'queued' ELSE 'blocked' END, params, tries, priority,
            shared, 1, 1, now(), now() FROM new""",
        json.dumps(new),
        first="""new AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS job(id uuid, owner text, kind text, queue text,
            params jsonb, tries int, priority int, shared text, needs jsonb)),""",
        also="""needing AS (INSERT INTO job_need (job_id, needed_id)
            SELECT new.id, needed::uuid FROM new, jsonb_array_elements_text(new.needs) needed),""",
    )  # fmt: skip


_STARTED = """UPDATE job SET state = 'running', error = NULL, progress = NULL, due_at = NULL,
    attempt = job.attempt + 1, seq = job.seq + 1, started_at = coalesce(job.started_at, now())"""
_TRIED = """tried AS (INSERT INTO attempt (job_id, number, worker, started_at)
    SELECT id, attempt, worker, now() FROM moved),"""


async def start(deliveries: Sequence[tuple[UUID, int]], worker: str, lease_s: float) -> list[Moved]:
    """queued -> running, each as a new attempt; left out is what is not the latest delivery of its job, or not queued.

    A job that may share a run is given to the live worker on which such a run goes on already: its `worker` is another,
    and its reason `joining` until that one has taken it in.
    """
    jobs, dispatches = [job for job, _ in deliveries], [dispatch for _, dispatch in deliveries]
    moved = await move(
        f"""{_STARTED}, reason = NULL, worker = $3 FROM unnest($1::uuid[], $2::int[]) AS delivery(id, dispatch)
        WHERE job.id = delivery.id
            AND CASE WHEN job.state = 'queued' AND job.dispatch = delivery.dispatch THEN job.shared IS NULL END""",
        jobs, dispatches, worker, also=_TRIED,
    )  # fmt: skip
    started = {job.id for job in moved}
    for job, dispatch in deliveries:
        if job not in started:
            moved += await _start_shared(job, dispatch, worker, lease_s)
    return moved


async def _start_shared(job: UUID, dispatch: int, worker: str, lease_s: float) -> list[Moved]:
    """Start a job that may share a run; one at a time of those that could share, so that each sees the one before."""
    async with transaction():
        locked = await rows(
            """SELECT pg_advisory_xact_lock(hashtextextended(kind || ' ' || shared, 0)) FROM job
            WHERE id = $1 AND state = 'queued' AND dispatch = $2 AND shared IS NOT NULL""",
            [job, dispatch],
        )
        if not locked:
            return []
        return await move(
            f"""{_STARTED}, worker = coalesce(carrier.id, $3),
                reason = CASE WHEN carrier.id <> $3 THEN 'joining' END
            FROM (SELECT) one LEFT JOIN LATERAL (
                SELECT worker.id FROM job this
                JOIN job other ON other.kind = this.kind AND other.shared = this.shared AND other.state = 'running'
                    AND other.reason IS NULL
                JOIN worker ON worker.id = other.worker AND worker.heartbeat_at > now() - make_interval(secs => $4)
                WHERE this.id = $1 LIMIT 1) carrier ON true
            WHERE job.id = $1 AND job.state = 'queued' AND job.dispatch = $2""",
            job, dispatch, worker, lease_s, also=_TRIED,
        )  # fmt: skip


async def taken_in(jobs: Sequence[UUID], worker: str) -> None:
    """Note that these jobs share a run of this worker now."""
    await rows(
        """WITH taken AS (UPDATE job SET reason = NULL
            WHERE id = ANY($1::uuid[]) AND state = 'running' AND worker = $2 RETURNING id) SELECT id FROM taken""",
        [list(jobs), worker],
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ends, and where its job goes."""

    outcome: str
    """succeeded, failed, throttled, interrupted or lost: what the attempt's row says, unless the job is cancelled."""
    state: State
    reason: str | None = None
    error: Mapping[str, Any] | None = None
    traceback: str | None = None
    result: Mapping[str, Any] | None = None
    """As JSON values."""
    delay_s: float | None = None
    """For `scheduled`: seconds until it is queued again."""
    failed: bool = False
    """Whether this attempt uses up one of the job's tries."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt of a job that has ended, with all that is written of it."""

    id: UUID
    attempt: int
    end: Ending
    progress: Mapping[str, Any] | None = None
    peak_memory_bytes: int | None = None
    cpu_s: float | None = None
    files: Sequence[Mapping[str, Any]] = ()
    """Rows of what it published; they come into being with the change."""

    def row(self) -> dict[str, Any]:
        """Return it as one row of `finish`."""
        end = self.end
        return {
            "id": str(self.id), "attempt": self.attempt, "outcome": end.outcome, "state": end.state.value,
            "reason": end.reason, "error": end.error, "traceback": end.traceback,
            "result": end.result, "delay_s": end.delay_s, "failed": int(end.failed),
            "progress": self.progress, "peak": self.peak_memory_bytes, "cpu_s": self.cpu_s, "files": list(self.files),
        }  # fmt: skip


async def finish(ended: Sequence[Ended]) -> list[Moved]:
    """running -> what each end says, if that attempt still holds its job; nothing of those that do not.

    A job that was to be cancelled does not wait for another attempt: the row decides, `queued` and `scheduled` become
    `cancelled`.
    """
    return await move(
        """UPDATE job SET state = held.next, error = held.error, result = held.result, progress = held.progress,
            reason = CASE WHEN held.next = 'cancelled' THEN 'cancelled_by_user' ELSE held.reason END,
            failures = job.failures + held.failed, seq = job.seq + 1, worker = NULL,
            dispatch = job.dispatch + (held.next = 'queued')::int,
            queued_at = CASE WHEN held.next = 'queued' THEN now() ELSE job.queued_at END,
            due_at = CASE WHEN held.next = 'scheduled' THEN now() + make_interval(secs => held.delay_s) END,
            finished_at = CASE WHEN held.next IN ('succeeded', 'failed', 'cancelled') THEN now() END
        FROM held WHERE job.id = held.id""",
        storable(json.dumps([each.row() for each in ended])),
        first="""held AS (
            SELECT ended.*, CASE WHEN cancel_requested_at IS NOT NULL AND ended.state IN ('queued', 'scheduled')
                THEN 'cancelled' ELSE ended.state END AS next
            FROM jsonb_to_recordset($1::jsonb) AS ended(id uuid, attempt int, outcome text, state text, reason text,
                error jsonb, traceback text, result jsonb, delay_s float8, failed int, progress jsonb, peak bigint,
                cpu_s float8, files jsonb)
            JOIN job ON job.id = ended.id
                AND CASE WHEN job.state = 'running' THEN job.attempt = ended.attempt END
            FOR UPDATE OF job
        ),""",
        also="""tried AS (
            UPDATE attempt SET finished_at = now(), error = held.error, traceback = held.traceback,
                outcome = CASE WHEN held.next = 'cancelled' THEN 'cancelled' ELSE held.outcome END,
                peak_memory_bytes = held.peak, cpu_s = held.cpu_s
            FROM held WHERE attempt.job_id = held.id AND attempt.number = held.attempt
        ), filed AS (
            INSERT INTO file (id, owner, job_id, name, media_type, size_bytes, sha256, created_at)
            SELECT f.id, moved.owner, moved.id, f.name, f.media_type, f.size_bytes, f.sha256, now()
            FROM moved JOIN held ON held.id = moved.id, jsonb_to_recordset(held.files)
                AS f(id uuid, name text, media_type text, size_bytes bigint, sha256 text)
        ),""",
    )  # fmt: skip


async def release_due(limit: int = 500) -> list[Moved]:
    """scheduled -> queued, for all whose time has come; the earliest first, at most `limit`."""
    return await move(
        """UPDATE job SET state = 'queued', reason = 'retry', due_at = NULL, queued_at = now(),
            dispatch = dispatch + 1, seq = seq + 1
        WHERE id IN (SELECT id FROM job WHERE state = 'scheduled' AND due_at <= now()
            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)""",
        limit,
    )


async def rescue(lease_s: float) -> list[Moved]:
    """running -> queued in their old places, for all whose worker is dead; the third loss ends a job as `poisoned`.

    A worker is dead when its heartbeat is older than `lease_s` by the database's clock. One whose row is gone has
    stopped in order: what it left behind is no loss. A job that was to be cancelled is cancelled: nobody is left to be
    told.
    """
    return await move(
        """UPDATE job SET
            state = CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
                WHEN losses + lost.died >= $2 THEN 'failed' ELSE 'queued' END,
            reason = CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled_by_user'
                WHEN losses + lost.died >= $2 THEN 'poisoned' ELSE 'worker_lost' END,
            error = CASE WHEN cancel_requested_at IS NULL AND losses + lost.died >= $2 THEN jsonb_build_object(
                'type', '/problems/poisoned', 'title', 'The job cost too many workers', 'status', 500,
                'code', 'poisoned', 'detail', 'This job lost ' || $2::int || ' workers; the last was ' || worker
                || '. Look at their logs for memory or crashes before you retry it.') END,
            finished_at = CASE WHEN cancel_requested_at IS NOT NULL OR losses + lost.died >= $2 THEN now() END,
            losses = losses + lost.died, dispatch = dispatch + 1, seq = seq + 1, worker = NULL
        FROM lost WHERE job.id = lost.id""",
        lease_s, MAX_LOSSES,
        first="""lost AS (
            SELECT job.id, (worker.id IS NOT NULL)::int AS died
            FROM job LEFT JOIN worker ON worker.id = job.worker
            WHERE job.state = 'running'
                AND (worker.id IS NULL OR worker.heartbeat_at < now() - make_interval(secs => $1))
            FOR UPDATE OF job SKIP LOCKED
        ),""",
        also="""tried AS (
            UPDATE attempt SET finished_at = now(), outcome = 'lost'
            FROM moved WHERE attempt.job_id = moved.id AND attempt.number = moved.attempt
        ),""",
    )  # fmt: skip


async def cancel(job: UUID) -> list[Moved]:
    """blocked, scheduled or queued -> cancelled at once; nothing if the job is in none of these."""
    return await move(
        """UPDATE job SET state = 'cancelled', reason = 'cancelled_by_user', seq = seq + 1, finished_at = now(),
            due_at = NULL, cancel_requested_at = now()
        WHERE id = $1 AND state IN ('blocked', 'scheduled', 'queued')""",
        job,
    )


async def ask_cancel(job: UUID) -> datetime | None:
    """Note on a running job that it is to be cancelled; returns since when, None if it does not run."""
    found = await rows(
        """WITH asked AS (UPDATE job SET cancel_requested_at = coalesce(cancel_requested_at, now())
            WHERE id = $1 AND state = 'running' RETURNING cancel_requested_at) SELECT * FROM asked""",
        [job],
    )
    return found[0]["cancel_requested_at"] if found else None


async def retry(job: UUID) -> Moved | None:
    """failed or cancelled -> queued, with all its tries again, or blocked; None if the job is in neither."""
    moved = await move(
        """UPDATE job SET state = CASE WHEN EXISTS (
                SELECT FROM job_need need JOIN job needed ON needed.id = need.needed_id
                WHERE need.job_id = job.id AND needed.state <> 'succeeded') THEN 'blocked' ELSE 'queued' END,
            reason = 'retried_by_user', error = NULL, result = NULL, progress = NULL,
            failures = 0, losses = 0, dispatch = dispatch + 1, seq = seq + 1, queued_at = now(), due_at = NULL,
            finished_at = NULL, cancel_requested_at = NULL
        WHERE id = $1 AND state IN ('failed', 'cancelled')""",
        job,
    )
    return moved[0] if moved else None


async def queued_page(after: tuple[datetime, UUID] | None, limit: int = 1000) -> Sequence[Mapping[str, Any]]:
    """Return `id, queue, dispatch, priority, queued_at` of jobs queued for over 2 s, oldest first, behind `after`."""
    return await rows(
        """SELECT id, queue, dispatch, priority, queued_at FROM job
        WHERE state = 'queued' AND queued_at < now() - interval '2 seconds'
            AND ($1::timestamptz IS NULL OR (queued_at, id) > ($1, $2::uuid))
        ORDER BY queued_at, id LIMIT $3""",
        [*(after or (None, None)), limit],
    )


async def held_by(worker: str) -> list[Moved]:
    """Return the jobs that this worker runs, as the ledger has it."""
    found = await rows(f"SELECT {_COLUMNS} FROM job WHERE state = 'running' AND worker = $1", [worker])
    return [_moved(row) for row in found]


async def forget_dead_workers(lease_s: float) -> None:
    """Delete the rows of workers that are dead and hold nothing any more."""
    await rows(
        """WITH dead AS (DELETE FROM worker WHERE heartbeat_at < now() - make_interval(secs => $1)
            AND NOT EXISTS (SELECT FROM job WHERE job.worker = worker.id AND job.state = 'running') RETURNING id)
        SELECT id FROM dead""",
        [lease_s],
    )


def storable(text: str) -> str:
    """Return JSON text without U+0000, which PostgreSQL does not store."""
    return text.replace("\\u0000", "\\ufffd").replace("\0", "\ufffd")
