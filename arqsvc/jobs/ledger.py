"""Every legal change of a job's state: one statement each, and with it all that follows from it (`move.py`).

A change names what it changes from. A write of a running job names its attempt, so that a late write of an older
attempt changes nothing.

                 .--------------- retry ----------------.
                 v                                       |
    blocked -> queued -> running -> succeeded            |
        ^        ^  ^      | | '--> failed ------------->+
        |        |  |      | '----> cancelled ---------->'
        |        |  '------'  the worker stopped or died
        |     scheduled <-- a failed attempt with tries left, or not to begin before a time
        '- limited: as many run already, or have started, as may (`limits.py`)
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from arqsvc.infra.db import rows, transaction
from arqsvc.jobs import limits
from arqsvc.jobs.declare import Limit
from arqsvc.jobs.move import CLAIMED, Claimed, Moved, claim, claimed, end, move
from arqsvc.jobs.places import placed
from arqsvc.jobs.record import State

MAX_LOSSES = 3
"""Workers that a job may lose before it ends as poisoned."""
SUSPECTS = Limit("suspects", at_once=1)
"""What holds for jobs on their last chance."""


_STARTED = """UPDATE job SET state = 'running', error = NULL, progress = NULL, due_at = NULL, attempted_at = now(),
    attempt = job.attempt + 1, seq = job.seq + 1, started_at = coalesce(job.started_at, now())"""


async def start(deliveries: Sequence[tuple[UUID, int]], worker: str, lease_s: float) -> list[Claimed]:
    """queued -> running, each as a new attempt; left out is what is not the latest delivery of its job, or not queued.

    A job that may share a run is given to the live worker on which such a run goes on already: its `worker` is another,
    and its reason `joining` until that one has taken it in. One that would go past a limit is `blocked` instead.
    """
    jobs, dispatches = [job for job, _ in deliveries], [dispatch for _, dispatch in deliveries]
    started = await claim(
        f"""{_STARTED}, reason = NULL, worker = $3 FROM unnest($1::uuid[], $2::int[]) AS delivery(id, dispatch)
        WHERE job.id = delivery.id AND CASE WHEN job.state = 'queued' AND job.dispatch = delivery.dispatch
            THEN job.shared IS NULL AND job.limits IS NULL END""",
        jobs, dispatches, worker,
    )  # fmt: skip
    done = {job.id for job in started}
    for job, dispatch in deliveries:
        if job not in done:
            started += await _start_alone(job, dispatch, worker, lease_s)
    return started


async def _start_alone(job: UUID, dispatch: int, worker: str, lease_s: float) -> list[Claimed]:
    """Start a job that may share a run, or is limited; one at a time of those that could meet, each sees the last."""
    found = await rows(
        """SELECT kind, shared, limits FROM job WHERE id = $1 AND state = 'queued' AND dispatch = $2""", [job, dispatch]
    )
    if not found:
        return []
    bounds = limits.read(found[0]["limits"])
    together = [f"{found[0]['kind']} {found[0]['shared']}"] if found[0]["shared"] else []
    async with transaction():
        await rows(
            "SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest($1::text[]) name",
            [sorted([*together, *(bound.name for bound in bounds)])],
        )
        carrier = await _carrier(job, lease_s) if together else None
        if bounds and not carrier and not await limits.take(bounds):
            await move(
                """UPDATE job SET state = 'blocked', reason = 'limited', seq = seq + 1
                WHERE id = $1 AND state = 'queued' AND dispatch = $2""",
                job, dispatch,
            )  # fmt: skip
            return []
        return await claim(
            f"""{_STARTED}, worker = $3, reason = CASE WHEN $4 THEN 'joining' END
            WHERE job.id = $1 AND job.state = 'queued' AND job.dispatch = $2""",
            job, dispatch, carrier or worker, bool(carrier and carrier != worker),
        )  # fmt: skip


async def _carrier(job: UUID, lease_s: float) -> str | None:
    """Return the live worker on which a run goes on that this job may share."""
    found = await rows(
        """SELECT worker.id FROM job this
        JOIN job other ON other.kind = this.kind AND other.shared = this.shared AND other.state = 'running'
            AND other.reason IS NULL
        JOIN worker ON worker.id = other.worker AND worker.heartbeat_at > now() - make_interval(secs => $2)
        WHERE this.id = $1 LIMIT 1""",
        [job, lease_s],
    )
    return str(found[0]["id"]) if found else None


async def taken_in(jobs: Sequence[UUID], worker: str) -> None:
    """Note that these jobs share a run of this worker now."""
    await rows(
        """WITH taken AS (UPDATE job SET reason = NULL
            WHERE id = ANY($1::uuid[]) AND state = 'running' AND worker = $2 RETURNING id) SELECT id FROM taken""",
        [list(jobs), worker],
    )


async def keep_checkpoint(attempts: Mapping[UUID, int], value: Any) -> None:
    """Note where these jobs are to go on, if their attempts still hold them."""
    await rows(
        """WITH kept AS (UPDATE job SET checkpoint = $3::jsonb
            FROM unnest($1::uuid[], $2::int[]) AS held(id, attempt)
            WHERE job.id = held.id AND job.state = 'running' AND job.attempt = held.attempt RETURNING job.id)
        SELECT id FROM kept""",
        [list(attempts), list(attempts.values()), storable(json.dumps(value))],
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ends, and where its job goes."""

    outcome: str
    """What the attempt's row says, unless the job is cancelled: succeeded, failed, throttled, unavailable (an outage),
    interrupted or lost."""
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
        """Return it as one row of `finish`; what is None is left out."""
        end = self.end
        row = {
            "id": str(self.id), "attempt": self.attempt, "outcome": end.outcome, "state": end.state.value,
            "reason": end.reason, "error": end.error, "traceback": end.traceback,
            "result": end.result, "delay_s": end.delay_s, "failed": int(end.failed),
            "progress": self.progress, "peak": self.peak_memory_bytes, "cpu_s": self.cpu_s, "files": self.files or None,
        }  # fmt: skip
        return {name: value for name, value in row.items() if value is not None}


async def finish(ended: Sequence[Ended]) -> list[Moved]:
    """running -> what each end says, if that attempt still holds its job; nothing of those that do not.

    A job that was to be cancelled does not wait for another attempt: the row decides, `queued` and `scheduled` become
    `cancelled`.
    """
    return await end(
        """UPDATE job SET state = held.next, error = held.error, result = held.result, progress = held.progress,
            reason = CASE WHEN held.next = 'cancelled' THEN 'cancelled_by_user' ELSE held.reason END,
            failures = job.failures + held.failed, seq = job.seq + 1, worker = NULL,
            dispatch = job.dispatch + (held.next = 'queued')::int,
            queued_at = CASE WHEN held.next = 'queued' THEN now() ELSE job.queued_at END,
            due_at = CASE WHEN held.next = 'scheduled' THEN now() + make_interval(secs => held.delay_s) END,
            finished_at = CASE WHEN held.next IN ('succeeded', 'failed', 'cancelled') THEN now() END
        FROM held WHERE job.id = held.id""",
        storable(json.dumps([each.row() for each in ended], default=repr)),
        first="""held AS (
            SELECT ended.*, job.worker, job.attempted_at,
                CASE WHEN cancel_requested_at IS NOT NULL AND ended.state IN ('queued', 'scheduled')
                    THEN 'cancelled' ELSE ended.state END AS next
            FROM jsonb_to_recordset($1::jsonb) AS ended(id uuid, attempt int, outcome text, state text, reason text,
                error jsonb, traceback text, result jsonb, delay_s float8, failed int, progress jsonb, peak bigint,
                cpu_s float8, files jsonb)
            JOIN job ON job.id = ended.id
                AND CASE WHEN job.state = 'running' THEN job.attempt = ended.attempt END
            FOR UPDATE OF job
        ),""",
        also="""tried AS (
            INSERT INTO attempt (job_id, number, worker, started_at, finished_at, outcome, error, traceback,
                peak_memory_bytes, cpu_s)
            SELECT id, attempt, worker, attempted_at, now(),
                CASE WHEN next = 'cancelled' THEN 'cancelled' ELSE outcome END, error, traceback, peak, cpu_s FROM held
        ), """
        + ("""filed AS (
            INSERT INTO file (id, project, job_id, name, media_type, size_bytes, sha256, created_at)
            SELECT f.id, moved.project, moved.id, f.name, f.media_type, f.size_bytes, f.sha256, now()
            FROM held JOIN moved ON moved.id = held.id, jsonb_to_recordset(held.files)
                AS f(id uuid, name text, media_type text, size_bytes bigint, sha256 text)
            WHERE held.files IS NOT NULL
        ),""" if any(each.files for each in ended) else ""),
    )  # fmt: skip


async def waiting() -> tuple[bool, bool]:
    """Return whether a scheduled job is due, and whether a limit holds one back: one cheap statement for every look."""
    (found,) = await rows(
        """SELECT EXISTS (SELECT FROM job WHERE state = 'scheduled' AND due_at <= now()) AS due,
            EXISTS (SELECT FROM job WHERE state = 'blocked' AND reason = 'limited') AS limited"""
    )
    return found["due"], found["limited"]


_DUE = """SELECT id, queue, project, priority, 'queued' AS state FROM job
    WHERE state = 'scheduled' AND due_at <= now()
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED"""


async def release_due(limit: int = 500) -> list[Moved]:
    """scheduled -> queued, for all whose time has come; the earliest first, at most `limit`."""
    return await move(
        """UPDATE job SET state = 'queued', reason = CASE WHEN attempt > 0 THEN 'retry' END, due_at = NULL,
            queued_at = now(), place = due.place, dispatch = dispatch + 1, seq = seq + 1
        FROM due WHERE job.id = due.id""",
        limit,
        first=f"due AS ({placed(_DUE)}),",
    )


async def rescue(lease_s: float, judge: str | None = None) -> list[Moved]:
    """running -> queued in their old places, for all whose worker is dead; the third loss ends a job as `poisoned`.

    On its last chance a job is a suspect, and suspects run one at a time: one that kills its worker takes none of those
    with it that were there by chance.

    Who judges is a worker whose own heartbeat is fresh: one from before the database's clock jumped judges nobody. A
    worker is dead when its heartbeat is older than `lease_s` by the database's clock. One whose row is gone has
    stopped in order: what it left behind is no loss. A job that was to be cancelled is cancelled: nobody is left to be
    told. What is taken is the attempt that was seen to be dead, not one that began meanwhile: PostgreSQL looks again at
    a row that has changed, but at the worker that it had before.
    """
    return await end(
        """UPDATE job SET
            state = CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
                WHEN losses + lost.died >= $2 THEN 'failed' ELSE 'queued' END,
            reason = CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled_by_user'
                WHEN losses + lost.died >= $2 THEN 'poisoned' ELSE 'worker_lost' END,
            error = CASE WHEN cancel_requested_at IS NULL AND losses + lost.died >= $2 THEN jsonb_build_object(
                'type', '/problems/poisoned', 'title', 'The job cost too many workers', 'status', 500,
                'code', 'poisoned', 'detail', 'This job lost ' || $2::int || ' workers; the last was ' || lost.worker
                || '. Look at their logs for memory or crashes before you retry it.') END,
            finished_at = CASE WHEN cancel_requested_at IS NOT NULL OR losses + lost.died >= $2 THEN now() END,
            losses = losses + lost.died, dispatch = dispatch + 1, seq = seq + 1, worker = NULL,
            limits = CASE WHEN losses + lost.died = $2 - 1 AND lost.died = 1 THEN coalesce(limits, '[]') || $3::jsonb
                ELSE limits END
        FROM lost WHERE job.id = lost.id""",
        lease_s, MAX_LOSSES, json.dumps(limits.stored([SUSPECTS])), judge,
        first="""dead AS MATERIALIZED (
            SELECT job.id, job.attempt, (worker.id IS NOT NULL)::int AS died
            FROM job LEFT JOIN worker ON worker.id = job.worker
            WHERE job.state = 'running'
                AND (worker.id IS NULL OR worker.heartbeat_at < now() - make_interval(secs => $1))
                AND ($4::text IS NULL OR EXISTS (SELECT FROM worker judge
                    WHERE judge.id = $4 AND judge.heartbeat_at > now() - make_interval(secs => $1 / 2)))
        ), lost AS (
            SELECT job.id, job.attempt, job.worker, job.attempted_at, dead.died
            FROM dead JOIN job ON job.id = dead.id AND job.attempt = dead.attempt AND job.state = 'running'
            FOR UPDATE OF job SKIP LOCKED
        ),""",
        also="""tried AS (
            INSERT INTO attempt (job_id, number, worker, started_at, finished_at, outcome)
            SELECT id, attempt, worker, attempted_at, now(), 'lost' FROM lost
        ),""",
    )  # fmt: skip


async def cancel(jobs: Sequence[UUID], reason: str | None = None) -> list[Moved]:
    """blocked, scheduled or queued -> cancelled at once; nothing of those that are in none of these."""
    return await end(
        """UPDATE job SET state = 'cancelled', reason = 'cancelled_by_user', seq = seq + 1, finished_at = now(),
            due_at = NULL, cancel_requested_at = now(), cancel_reason = $2
        WHERE id = ANY($1::uuid[]) AND state IN ('blocked', 'scheduled', 'queued')""",
        list(jobs), reason,
    )  # fmt: skip


async def purge(queue: str, reason: str | None, limit: int = 500) -> list[Moved]:
    """blocked, scheduled or queued -> cancelled, for all of a queue; at most `limit` at a time."""
    return await end(
        """UPDATE job SET state = 'cancelled', reason = 'purged', seq = seq + 1, finished_at = now(),
            due_at = NULL, cancel_requested_at = now(), cancel_reason = $2
        WHERE id IN (
            (SELECT id FROM job WHERE state = 'queued' AND queue = $1 LIMIT $3)
            UNION ALL (SELECT id FROM job WHERE state = 'scheduled' AND queue = $1 LIMIT $3)
            UNION ALL (SELECT id FROM job WHERE state = 'blocked' AND queue = $1 LIMIT $3))
            AND state IN ('blocked', 'scheduled', 'queued')""",
        queue, reason, limit,
    )  # fmt: skip


async def by_project(jobs: Sequence[UUID]) -> dict[str, int]:
    """Return how many of these jobs are of which project."""
    found = await rows(
        "SELECT project, count(*) AS n FROM job WHERE id = ANY($1::uuid[]) GROUP BY project", [list(jobs)]
    )
    return {row["project"]: row["n"] for row in found}


async def ask_cancel(jobs: Sequence[UUID], reason: str | None = None, grace_s: float | None = None) -> list[UUID]:
    """Note on running jobs that they are to be cancelled; returns those that run.

    The first reason counts, and the shortest `grace_s`: the seconds that they get to clean up, None for the worker's.
    """
    found = await rows(
        """WITH asked AS (UPDATE job SET cancel_requested_at = coalesce(cancel_requested_at, now()),
            cancel_reason = coalesce(cancel_reason, $2), cancel_grace_s = least(cancel_grace_s, $3::float8)
            WHERE id = ANY($1::uuid[]) AND state = 'running' RETURNING id) SELECT id FROM asked""",
        [list(jobs), reason, grace_s],
    )
    return [row["id"] for row in found]


_AGAIN = "SELECT id, queue, project, priority, 'queued' AS state FROM job WHERE id = $1"


async def retry(job: UUID) -> Moved | None:
    """failed or cancelled -> queued, with all its tries again, or blocked; None if the job is in neither."""
    moved = await move(
        """UPDATE job SET state = CASE WHEN EXISTS (
                SELECT FROM job_need need JOIN job needed ON needed.id = need.needed_id
                WHERE need.job_id = job.id AND needed.state <> 'succeeded') THEN 'blocked' ELSE 'queued' END,
            reason = 'retried_by_user', error = NULL, result = NULL, progress = NULL, started_at = NULL,
            limits = nullif(jsonb_path_query_array(limits, 'strict $[*] ? (@[0] != "suspects")'), '[]'),
            failures = 0, losses = 0, dispatch = dispatch + 1, seq = seq + 1, queued_at = now(), place = new.place,
            due_at = NULL, finished_at = NULL, cancel_requested_at = NULL, cancel_reason = NULL,
            cancel_grace_s = NULL
        FROM new WHERE job.id = new.id AND job.state IN ('failed', 'cancelled')""",
        job,
        first=f"new AS ({placed(_AGAIN)}),",
    )
    return moved[0] if moved else None


async def queued_page(after: tuple[datetime, UUID] | None, limit: int = 1000) -> Sequence[Mapping[str, Any]]:
    """Return `id, queue, dispatch, place, queued_at` of jobs queued for over 2 s, oldest first, behind `after`."""
    return await rows(
        """SELECT id, queue, dispatch, place, queued_at FROM job
        WHERE state = 'queued' AND queued_at < now() - interval '2 seconds'
            AND (queued_at, id) > (coalesce($1::timestamptz, '-infinity'),
                coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
        ORDER BY queued_at, id LIMIT $3""",
        [*(after or (None, None)), limit],
    )


async def held_by(worker: str) -> list[Claimed]:
    """Return the jobs that this worker runs, as the ledger has it."""
    found = await rows(f"SELECT {CLAIMED} FROM job WHERE state = 'running' AND worker = $1", [worker])
    return [claimed(row) for row in found]


def storable(text: str) -> str:
    """Return JSON text without U+0000, which PostgreSQL does not store."""
    return text.replace("\\u0000", "\\ufffd").replace("\0", "\ufffd")
