"""Jobs that wait for jobs: what a job needs, and the look for those that nobody freed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from arqsvc.infra.db import rows
from arqsvc.jobs.move import Moved, end, freeing
from arqsvc.jobs.record import FINAL, State


@dataclass(frozen=True, slots=True)
class Need:
    """A job that another needs."""

    job: UUID
    """The one that needs it."""
    id: UUID
    kind: str
    state: State
    reason: str | None
    error: str | None
    """What went wrong in its last attempt, in words."""
    due_at: datetime | None
    cancel_requested: bool

    @property
    def ended(self) -> bool:
        """Whether it is in a final state."""
        return self.state in FINAL


async def needs_of(jobs: Sequence[UUID]) -> list[Need]:
    """Return what these jobs need."""
    found = await rows(
        """SELECT need.job_id AS job, needed.id, needed.kind, needed.state, needed.reason, needed.due_at,
            needed.error ->> 'detail' AS error, needed.cancel_requested_at IS NOT NULL AS cancel_requested
        FROM job_need need JOIN job needed ON needed.id = need.needed_id
        WHERE need.job_id = ANY($1::uuid[]) ORDER BY need.id""",
        [list(jobs)],
    )
    return [Need(**{**row, "state": State(row["state"])}) for row in found]


async def needed_no_more(jobs: Sequence[UUID]) -> dict[UUID, State]:
    """Return what these jobs need, has not ended, and no other job waits for; each with its state."""
    found = await rows(
        """SELECT DISTINCT needed.id, needed.state FROM job_need need JOIN job needed ON needed.id = need.needed_id
        WHERE need.job_id = ANY($1::uuid[]) AND needed.state NOT IN ('succeeded', 'failed', 'cancelled')
            AND NOT EXISTS (SELECT FROM job_need other JOIN job waiting ON waiting.id = other.job_id
            WHERE other.needed_id = needed.id AND waiting.state = 'blocked')""",
        [list(jobs)],
    )
    return {row["id"]: State(row["state"]) for row in found}


async def free_overlooked() -> list[Moved]:
    """Free what is blocked by nothing any more: two that end in the same instant may each leave it to the other."""
    return await end(
        freeing("SELECT * FROM next"),
        first="""next AS (
            SELECT DISTINCT ON (blocked.id) blocked.id, needed.error, CASE
                WHEN needed.state IN ('failed', 'cancelled') THEN needed.state ELSE 'queued' END AS state
            FROM job blocked
            LEFT JOIN job_need need ON need.job_id = blocked.id LEFT JOIN job needed ON needed.id = need.needed_id
            WHERE blocked.state = 'blocked' AND blocked.reason IS DISTINCT FROM 'limited'
                AND (needed.state IN ('failed', 'cancelled') OR NOT EXISTS (
                SELECT FROM job_need other JOIN job open ON open.id = other.needed_id
                WHERE other.job_id = blocked.id AND open.state <> 'succeeded'))
            ORDER BY blocked.id, needed.state IN ('failed', 'cancelled') DESC
        ),""",
    )
