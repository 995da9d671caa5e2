"""Where a follower of the fleet begins: at a cursor that is still kept, or with how its jobs stand now."""

from collections.abc import Mapping
from typing import Any

from tortoise.functions import Count

from arqsvc.infra.db import rows
from arqsvc.jobs.events import LARGEST, Cursor, rfc3339
from arqsvc.jobs.record import FINAL, JobRecord, State
from arqsvc.jobs.wanted import Wanted

MOST_BEHIND = 10_000
"""Changes that a follower may have missed and is told one by one."""
MOST_JOBS = 500
"""Jobs of a snapshot, the newest."""


async def newest_change() -> Cursor:
    """Return the cursor of the newest change before which none comes any more; 0-0 if there is none."""
    found = await rows(
        """SELECT tx, id FROM job_event WHERE tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        ORDER BY tx DESC, id DESC LIMIT 1"""
    )
    return Cursor(found[0]["tx"], found[0]["id"]) if found else Cursor(0, 0)


async def told_from(after: Cursor) -> Cursor | None:
    """Return where to go on behind `after`; None if that change is not kept, or too many came since."""
    (found,) = await rows(
        """SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
            EXISTS (SELECT FROM job_event WHERE tx = $1 AND id = $2) AS kept,
            (SELECT count(*) FROM (SELECT FROM job_event WHERE (tx, id) > ($1, $2) LIMIT $3) missed) AS missed""",
        [after.tx, after.id, MOST_BEHIND + 1],
    )
    if found["missed"] > MOST_BEHIND or not (found["kept"] or after == (0, 0)):
        return None
    # one that an open transaction holds back was told to a follower of its job: others may still come before it
    return min(after, Cursor(found["oldest"] - 1, LARGEST))


async def snapshot(wanted: Wanted) -> dict[str, Any]:
    """Return how the wanted jobs stand: how many are in each state, and the newest of those that have not ended."""
    jobs = wanted.among(JobRecord.all())
    counts = dict.fromkeys((state.value for state in State), 0)
    for state, number in await jobs.annotate(number=Count("id")).group_by("state").values_list("state", "number"):
        counts[State(state).value] = number
    open_ = [state for state in State if state not in FINAL]
    newest = await jobs.filter(state__in=open_).order_by("-id").limit(MOST_JOBS)
    return {"counts": counts, "jobs": [_summary(job) for job in newest]}


def _summary(job: JobRecord) -> Mapping[str, Any]:
    """Return a job in short; an event of it with an id up to `seq` is told in it already."""
    return {
        "id": str(job.id),
        "kind": job.kind,
        "queue": job.queue,
        "tags": job.tags,
        "state": job.state.value,
        "reason": job.reason,
        "seq": job.seq,
        "attempt": job.attempt,
        "created_at": rfc3339(job.created_at),
        "due_at": rfc3339(job.due_at),
        "started_at": rfc3339(job.started_at),
    }
