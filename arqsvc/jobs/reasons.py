"""Why a job has not begun, from facts: what it needs, its queue, the workers, limits, and who asks to wait."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from arqsvc.errors import Throttled
from arqsvc.infra.db import rows
from arqsvc.jobs import limits
from arqsvc.jobs.declare import Limit
from arqsvc.jobs.forecast import History, Line, Spread, left_s, run_s, start_in_s
from arqsvc.jobs.places import BEHIND_MOST, ahead
from arqsvc.jobs.record import JobRecord, State
from arqsvc.jobs.waiting import Need, needs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a job has not begun, and how long it is expected to be so."""

    reason: str
    """behind, blocked_by, paused, draining, no_worker, throttled, limited, scheduled or retry."""
    detail: str
    """The same in a sentence for a person."""
    position: int | None = None
    ahead: int | None = None
    jobs: tuple[UUID, ...] = ()
    limit: str | None = None
    host: str | None = None
    until: datetime | None = None
    start_in_s: Spread | None = None
    run_s: Spread | None = None


class Reasons:
    """Says of one job why it waits, or how long it runs yet.

    Args:
        lease_s: age of a heartbeat at which a worker is dead.
    """

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._history = History()

    async def left_s(self, job: JobRecord) -> Spread | None:
        """Return how much longer a running job is expected to run, where enough is known."""
        if job.state != State.RUNNING or job.attempted_at is None:
            return None
        times_s = (await self._history.of([job.kind]))[job.kind]
        return left_s(times_s, (datetime.now(UTC) - job.attempted_at).total_seconds())

    async def reason(self, job: JobRecord) -> Reason | None:
        """Return why a job, which was read whole, has not begun; None where it has."""
        match job.state:
            case State.BLOCKED if job.reason == "limited":
                reason = await _limited(job)
            case State.BLOCKED:
                reason = _blocked(await needs_of([job.id]))
            case State.SCHEDULED:
                reason = _scheduled(job)
            case State.QUEUED:
                reason = await self._queued(job)
            case _:
                return None
        return replace(reason, run_s=run_s((await self._history.of([job.kind]))[job.kind]))

    async def _queued(self, job: JobRecord) -> Reason:
        """Return what holds up a queued job: its queue, the lack of workers, or those before it."""
        (found,) = await rows(
            """SELECT (SELECT mode FROM queue WHERE name = $1) AS mode, count(*) AS live,
                count(*) FILTER (WHERE wish IS NULL) AS taking,
                coalesce(sum(concurrency::float8 / jsonb_array_length(queues)) FILTER (WHERE wish IS NULL), 0) AS slots
            FROM worker WHERE heartbeat_at > now() - make_interval(secs => $2) AND queues ? $1""",
            [job.queue, self._lease_s],
        )
        before = await ahead(job.id) or {}
        number = sum(before.values())
        place: dict[str, Any] = {"position": number + 1, "ahead": number}
        if found["mode"] == "paused":
            detail = f"The queue {job.queue} is paused. The job goes on once an operator resumes it."
            return Reason(reason="paused", detail=detail, **place)
        if not found["live"]:
            detail = f"No worker serves the queue {job.queue} now. The job begins once one is started."
            return Reason(reason="no_worker", detail=detail, **place)
        if not found["taking"]:
            detail = (
                f"All workers of the queue {job.queue} have been told to stop. The job begins once others serve it."
            )
            return Reason(reason="draining", detail=detail, **place)
        running = await _running(job.queue)
        line = Line(before, running, max(1, round(found["slots"])))
        start = None
        if number < BEHIND_MOST:
            start = start_in_s(line, await self._history.of(list({*before, *(kind for kind, _ in running)})))
        return Reason(reason="behind", detail=_behind(job.queue, number, line.slots), start_in_s=start, **place)


def _behind(queue: str, number: int, slots: int) -> str:
    workers = f"the queue {queue} runs {slots} at a time" if slots > 1 else f"the queue {queue} runs one at a time"
    if not number:
        return f"It is the next to begin; {workers}."
    some = f"{number:,} or more jobs" if number >= BEHIND_MOST else f"{number:,} job{'s' if number > 1 else ''}"
    return f"It is behind {some}; {workers}."


def _blocked(needs: Sequence[Need]) -> Reason:
    open_needs = [need for need in needs if need.state != State.SUCCEEDED]
    named = ", ".join(map(_named, open_needs[:3]))
    more = f" and {len(open_needs) - 3} more" if len(open_needs) > 3 else ""
    detail = f"It needs what is not done yet: {named}{more}." if named else "What it needed is done; it is queued soon."
    until = max((need.due_at for need in open_needs if need.state == State.SCHEDULED and need.due_at), default=None)
    return Reason(reason="blocked_by", detail=detail, jobs=tuple(need.id for need in open_needs), until=until)


def _named(need: Need) -> str:
    """Return what is told of a job that is needed: its state, why it is in it, and when it goes on."""
    told = [need.state.value]
    if need.reason:
        told.append(need.reason)
    if need.state == State.SCHEDULED and need.error:
        told[-1] += f": {need.error.partition('. ')[0].rstrip('.')}"
    if need.state == State.SCHEDULED and need.due_at:
        told.append(f"goes on at {need.due_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
    return f"{need.kind} ({', '.join(told)})"


async def _limited(job: JobRecord) -> Reason:
    """Return which limit is full; the first of its own where one has just become free."""
    bounds = [Limit(*values) for values in job.limits]
    bound, until = await limits.full(bounds) or (bounds[0], None)
    if bound.starts and (until or not bound.at_once):
        detail = f"The limit {bound.name!r} lets {bound.starts} jobs begin in {bound.per_s:g} s, on all workers."
    else:
        detail = f"The limit {bound.name!r} lets {bound.at_once} run at a time, on all workers together."
    return Reason(reason="limited", detail=detail, limit=bound.name, until=until)


def _scheduled(job: JobRecord) -> Reason:
    """Return what a scheduled job waits for: its time, a source that asks to wait, or another try."""
    error = job.error or {}
    said = str(error.get("detail", ""))
    if job.reason == Throttled.code:
        return Reason(reason="throttled", detail=said, host=error.get("host"), until=job.due_at)
    if job.attempt:
        tries = f"{job.failures} of {job.tries} tries are used up"
        return Reason(reason="retry", detail=f"It is tried again, {tries}. {said}".strip(), until=job.due_at)
    return Reason(reason="scheduled", detail="It is not to begin before its time.", until=job.due_at)


async def _running(queue: str) -> list[tuple[str, float]]:
    """Return what runs of a queue: kind, and seconds since the attempt began; one for all jobs that share a run."""
    found = await rows(
        """SELECT kind, max(extract(epoch FROM now() - attempted_at))::float8 AS ran_s FROM job
        WHERE state = 'running' AND queue = $1 GROUP BY kind, coalesce(shared, id::text) ORDER BY kind, ran_s""",
        [queue],
    )
    return [(row["kind"], row["ran_s"]) for row in found]
