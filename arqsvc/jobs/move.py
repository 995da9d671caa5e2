"""One change of the state of jobs: a statement, and in the same transaction all that follows from it.

With each change goes the event that followers see, and the messages of webhooks. Where jobs end, those that needed
them are freed: once all that a job needs has succeeded it is queued; it ends with one that fails.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from arqsvc.infra.db import rows
from arqsvc.jobs.places import TURN, placed
from arqsvc.jobs.record import State
from arqsvc.jobs.webhooks import posted


@dataclass(frozen=True, slots=True)
class Moved:
    """A job as a change of its state left it."""

    id: UUID
    queue: str
    state: State
    seq: int
    dispatch: int
    place: float
    """Where it stands in its queue, the least first; see `places.py`."""


@dataclass(frozen=True, slots=True)
class Written(Moved):
    """A job that is new."""

    created_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Claimed(Moved):
    """A job whose attempt has begun."""

    project: str
    kind: str
    attempt: int
    failures: int
    tries: int
    age_s: float
    """Seconds since its first attempt began."""
    waited_s: float
    """Seconds for which it was queued."""
    timeout_s: float | None
    """Its own limit of time, instead of its kind's."""
    shared: str | None
    limited: bool
    worker: str
    cancel_requested: bool
    cancel_grace_s: float | None
    """Seconds that it gets to clean up, where who cancels it said so."""
    params: Mapping[str, Any]
    checkpoint: Any
    trace: str | None
    """The trace that it belongs to, as `traceparent`."""


_MOVED = "id, queue, state, seq, dispatch, place"
CLAIMED = f"""{_MOVED}, project, kind, attempt, failures, tries,
    extract(epoch FROM now() - started_at)::float8 AS age_s,
    coalesce(extract(epoch FROM now() - queued_at), 0)::float8 AS waited_s, timeout_s, shared,
    limits IS NOT NULL AS limited, worker, cancel_requested_at IS NOT NULL AS cancel_requested, cancel_grace_s,
    params, checkpoint, trace"""


def freeing(following: str) -> str:
    """Return the UPDATE by which blocked jobs go on, or end, as the rows of a query say: `id, state, error`."""
    going = f"""SELECT job.id, queue, project, priority, next.state, next.error
        FROM ({following}) next JOIN job ON job.id = next.id AND job.state = 'blocked'"""
    return f"""UPDATE job SET state = next.state, error = next.error, seq = seq + 1, dispatch = dispatch + 1,
        reason = CASE next.state WHEN 'failed' THEN 'needed_failed' WHEN 'cancelled' THEN 'needed_cancelled' END,
        queued_at = now(), place = next.place, finished_at = CASE WHEN next.state <> 'queued' THEN now() END
        FROM ({placed(going)}) next WHERE job.id = next.id AND job.state = 'blocked'"""


_TOLD = """told AS (
    INSERT INTO job_event (job_id, seq, at, state, reason, attempt, due_at, error)
    SELECT id, seq, now(), state, reason, attempt, due_at, error FROM"""
_CHANGED = "(SELECT * FROM moved UNION ALL SELECT * FROM freed)"
_POSTED_OF_CHANGED, _POSTED_OF_MOVED = posted(_CHANGED), posted("moved")
_FREED = f"""
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
        WHERE other.job_id = need.job_id AND needed.state <> 'succeeded'
            AND needed.id NOT IN (SELECT id FROM ended WHERE state = 'succeeded'))
),
freed AS (
    {freeing("SELECT * FROM doomed UNION ALL SELECT id, 'queued', NULL::jsonb FROM ready")} RETURNING job.*
)"""


async def move(update: str, *values: Any, first: str = "", also: str = "") -> list[Moved]:
    """Run one UPDATE of jobs that ends none of them; `first` and `also` are CTEs before and behind it."""
    return [_moved(row) for row in await rows(_begun(update, _MOVED, first, also), values)]


async def write(insert: str, *values: Any, first: str = "", also: str = "") -> list[Written]:
    """Run one INSERT of jobs, as `move` does."""
    found = await rows(_begun(insert, f"{_MOVED}, created_at, due_at", first, also), values)
    return [Written(**{**row, "state": _STATES[row["state"]]}) for row in found]


async def end(update: str, *values: Any, first: str = "", also: str = "") -> list[Moved]:
    """Run one UPDATE of jobs that may end them.

    Returns:
        The jobs that it changed, and behind them those that were freed.
    """
    statement = f"""WITH RECURSIVE {first} moved AS ({update} RETURNING job.*), {also} {_FREED}, {_TOLD}
        {_CHANGED} changed
    ), {_POSTED_OF_CHANGED}
    SELECT {_MOVED} FROM moved UNION ALL SELECT {_MOVED} FROM freed"""
    return [_moved(row) for row in await rows(statement, values)]


async def claim(update: str, *values: Any) -> list[Claimed]:
    """Run one UPDATE of jobs that begins their attempts."""
    return [claimed(row) for row in await rows(_begun(update, CLAIMED, "", TURN), values)]


def claimed(row: Mapping[str, Any]) -> Claimed:
    """Return a row of the columns `CLAIMED`."""
    checkpoint = row["checkpoint"]
    return Claimed(**{
        **row, "state": State(row["state"]), "params": json.loads(row["params"]),
        "checkpoint": None if checkpoint is None else json.loads(checkpoint),
    })  # fmt: skip


def _begun(update: str, columns: str, first: str, also: str) -> str:
    return f"""WITH {first} moved AS ({update} RETURNING job.*), {also} {_TOLD} moved), {_POSTED_OF_MOVED}
    SELECT {columns} FROM moved"""


def _moved(row: Mapping[str, Any]) -> Moved:
    return Moved(row["id"], row["queue"], _STATES[row["state"]], row["seq"], row["dispatch"], row["place"])


_STATES = {state.value: state for state in State}
