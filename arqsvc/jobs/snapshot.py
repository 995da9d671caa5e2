"""Where a follower of the fleet begins: at a cursor that is still kept, or with how its jobs stand now."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arqsvc.infra.db import rows
from arqsvc.jobs.events import LARGEST, Cursor, Event, rfc3339
from arqsvc.jobs.filters import Filter
from arqsvc.jobs.listing import states
from arqsvc.jobs.record import State

MOST_BEHIND = 10_000
"""Changes that a follower may have missed and is told one by one."""
MOST_JOBS = 500
"""Jobs of a snapshot, the newest."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Jobs of one project that fit a filter."""

    project: str
    filter: Filter

    def has(self, event: Event) -> bool:
        """Whether this is an event of one of them."""
        assert event.about
        return event.about.project == self.project and self.filter.matches(event.facts)


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
    """Return how the wanted jobs stand: how many are in each state, as far as is counted, and the newest open ones."""
    where, values = wanted.filter.where(2)
    counted = await states(wanted.project, wanted.filter)
    newest = await rows(
        f"""SELECT id, kind, queue, tags, state, reason, seq, attempt, created_at, due_at, started_at FROM job
        WHERE project = $1 AND state NOT IN ('succeeded', 'failed', 'cancelled') AND {where}
        ORDER BY id DESC LIMIT {MOST_JOBS}""",
        [wanted.project, *values],
    )
    counts = dict.fromkeys((state.value for state in State), 0) | {state: each.count for state, each in counted.items()}
    return {"counts": counts, "jobs": list(map(_summary, newest))}


def _summary(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job in short; an event of it with an id up to `seq` is told in it already."""
    times = {name: rfc3339(row[name]) for name in ("created_at", "due_at", "started_at")}
    return {**row, **times, "id": str(row["id"]), "tags": json.loads(row["tags"]) if row["tags"] else {}}
