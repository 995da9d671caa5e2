"""Jobs that are to be written, and the one statement that writes them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from arqsvc.jobs.declare import Limit
from arqsvc.jobs.limits import stored
from arqsvc.jobs.move import PLACE, Moved, move


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be written."""

    id: UUID
    project: str
    kind: str
    queue: str
    params: Mapping[str, Any]
    """As JSON values."""
    tries: int = 1
    priority: int = 5
    shared: str | None = None
    limits: Sequence[Limit] = ()
    needs: Sequence[UUID] = ()
    timeout_s: float | None = None
    delay_s: float | None = None
    """Seconds before which it does not begin."""
    run_at: datetime | None = None
    """When it is to begin at the earliest; instead of `delay_s`."""
    tags: Mapping[str, str] | None = None
    dedupe: str | None = None
    """What it is the same work as; see `dedupe.py`."""
    webhook: Mapping[str, Any] | None = None
    parent: UUID | None = None
    """The job that it does again."""
    submitted_by: str | None = None
    """The name of the key that asked for it."""

    def row(self) -> dict[str, Any]:
        """Return it as one row of `insert`."""
        return {
            "id": str(self.id), "project": self.project, "kind": self.kind, "queue": self.queue, "params": self.params,
            "tries": self.tries, "priority": self.priority, "shared": self.shared, "limits": stored(self.limits),
            "needs": list(map(str, self.needs)), "timeout_s": self.timeout_s, "delay_s": self.delay_s,
            "run_at": self.run_at.isoformat() if self.run_at else None, "tags": self.tags, "dedupe": self.dedupe,
            "webhook": self.webhook, "parent": str(self.parent) if self.parent else None,
            "submitted_by": self.submitted_by,
        }  # fmt: skip


async def insert(jobs: Sequence[NewJob]) -> list[Moved]:
    """Write new jobs: `queued`; `blocked` where they need others; `scheduled` where they are to wait."""
    return await move(
        f"""INSERT INTO job (id, project, kind, queue, state, params, tries, priority, shared, limits, timeout_s,
            tags, dedupe, webhook, parent_id, submitted_by, dispatch, seq, created_at, queued_at, place, due_at)
        SELECT id, project, kind, queue, CASE WHEN needs <> '[]' THEN 'blocked' WHEN due_at > now() THEN 'scheduled'
                ELSE 'queued' END, params, tries, priority, shared, limits, timeout_s,
            tags, dedupe, webhook, parent, submitted_by, 1, 1, now(), now(), {PLACE},
            CASE WHEN needs = '[]' AND due_at > now() THEN due_at END
        FROM new, LATERAL (SELECT coalesce(run_at, now() + make_interval(secs => delay_s)) AS due_at) due""",
        json.dumps([job.row() for job in jobs]),
        first="""new AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS job(id uuid, project text, kind text,
            queue text, params jsonb, tries int, priority int, shared text, limits jsonb, needs jsonb, timeout_s float8,
            delay_s float8, run_at timestamptz, tags jsonb, dedupe text, webhook jsonb, parent uuid,
            submitted_by text)),""",
        also="""needing AS (INSERT INTO job_need (job_id, needed_id)
            SELECT new.id, needed::uuid FROM new, jsonb_array_elements_text(new.needs) needed),"""
        if any(job.needs for job in jobs) else "",
    )  # fmt: skip
