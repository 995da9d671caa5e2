"""Jobs that are to be written: what a submitter may say of one, and the one statement that writes them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from uuid6 import uuid7

from arqsvc.infra.trace import traceparent
from arqsvc.jobs.declare import Limit, Params
from arqsvc.jobs.limits import stored
from arqsvc.jobs.move import Written, write
from arqsvc.jobs.places import placed

KEY_LENGTH = 255
"""Characters of a key that jobs share a run by; of a longer one the digest is kept."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a submitter may say of one job, beside its parameters; None for what its kind says."""

    priority: int | None = None
    """1..10, 10 the most urgent."""
    queue: str | None = None
    timeout_s: float | None = None
    """Its hard limit of time in seconds; the soft one is in proportion."""
    delay_s: float | None = None
    """Seconds before which it does not begin."""
    run_at: datetime | None = None
    """When it is to begin at the earliest; instead of `delay_s`."""
    tags: Mapping[str, str] | None = None
    webhook: Mapping[str, Any] | None = None
    dedupe: str | None = None
    """What it is the same work as; see `dedupe.py`."""
    parent: UUID | None = None
    """The job that it does again."""
    submitted_by: str | None = None
    """The name of the key that asks for it."""

    def of_needs(self) -> "Options":
        """Return what holds for the jobs that it needs as well."""
        return Options(delay_s=self.delay_s, run_at=self.run_at, tags=self.tags, submitted_by=self.submitted_by)


AS_ITS_KIND_SAYS = Options()


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
    trace: str | None = field(default_factory=traceparent)
    """The trace of the request that asked for it, as `traceparent`."""
    again: bool = False
    """Whether the same request may have written it before; then it is left as it is."""

    def row(self) -> dict[str, Any]:
        """Return it as one row of `insert`."""
        return {
            "id": str(self.id), "project": self.project, "kind": self.kind, "queue": self.queue, "params": self.params,
            "tries": self.tries, "priority": self.priority, "shared": self.shared, "limits": stored(self.limits),
            "needs": list(map(str, self.needs)), "timeout_s": self.timeout_s, "delay_s": self.delay_s,
            "run_at": self.run_at.isoformat() if self.run_at else None, "tags": self.tags, "dedupe": self.dedupe,
            "webhook": self.webhook, "parent": str(self.parent) if self.parent else None,
            "submitted_by": self.submitted_by, "trace": self.trace,
        }  # fmt: skip


def new_jobs(
    params: Params,
    project: str,
    options: Options,
    routes: Sequence[tuple[str, str]] = (),
    ids: Iterator[UUID] | None = None,
) -> list[NewJob]:
    """Return a job and, before it, all that it needs.

    Args:
        routes: queues of kinds instead of their own, see `routed`.
        ids: what to call them, where the same request may have written them before.
    """
    kind = type(params)
    needed = [new_jobs(need, project, options.of_needs(), routes, ids) for need in params.needs()]
    shared = params.shared()
    if shared and len(shared) > KEY_LENGTH:
        shared = hashlib.sha256(shared.encode()).hexdigest()
    job = NewJob(
        id=next(ids) if ids else uuid7(), again=ids is not None, project=project, kind=kind.kind,
        queue=options.queue or routed(kind, routes), params=params.model_dump(mode="json"), tries=kind.retries.tries,
        priority=options.priority or kind.priority, shared=shared, limits=params.limits(),
        needs=[jobs[-1].id for jobs in needed], timeout_s=options.timeout_s, delay_s=options.delay_s,
        run_at=options.run_at, tags=options.tags or None, dedupe=options.dedupe, webhook=options.webhook,
        parent=options.parent, submitted_by=options.submitted_by,
    )  # fmt: skip
    return [*(job for jobs in needed for job in jobs), job]


def routed(kind: type[Params], routes: Iterable[tuple[str, str]]) -> str:
    """Return the queue of a kind: of the first route whose pattern it fits, else its own."""
    return next((queue for pattern, queue in routes if fnmatchcase(kind.kind, pattern)), kind.queue)


_NEW = """SELECT * FROM jsonb_to_recordset($1::jsonb) AS job(id uuid, project text, kind text,
        queue text, params jsonb, tries int, priority int, shared text, limits jsonb, needs jsonb, timeout_s float8,
        delay_s float8, run_at timestamptz, tags jsonb, dedupe text, webhook jsonb, parent uuid, submitted_by text,
        trace text),
    LATERAL (SELECT coalesce(run_at, now() + make_interval(secs => delay_s)) AS due_at) due,
    LATERAL (SELECT CASE WHEN needs <> '[]' THEN 'blocked' WHEN due_at > now() THEN 'scheduled' ELSE 'queued' END
        AS state) state"""


async def insert(jobs: Sequence[NewJob]) -> list[Written]:
    """Write new jobs: `queued`; `blocked` where they need others; `scheduled` where they are to wait.

    Returns:
        Those that were not there before.
    """
    again = any(job.again for job in jobs)
    return await write(
        f"""INSERT INTO job (id, project, kind, queue, state, params, tries, priority, shared, limits, timeout_s,
            tags, dedupe, webhook, parent_id, submitted_by, trace, dispatch, seq, created_at, queued_at, place, due_at)
        SELECT id, project, kind, queue, state, params, tries, priority, shared, limits, timeout_s,
            tags, dedupe, webhook, parent, submitted_by, trace, 1, 1, now(), now(), place,
            CASE WHEN state = 'scheduled' THEN due_at END
        FROM new {"ON CONFLICT (id) DO NOTHING" if again else ""}""",
        json.dumps([job.row() for job in jobs]),
        first=f"new AS ({placed(_NEW)}),",
        also=f"""needing AS (INSERT INTO job_need (job_id, needed_id)
            SELECT new.id, needed::uuid FROM new {"JOIN moved USING (id)" if again else ""},
                jsonb_array_elements_text(new.needs) needed {"ON CONFLICT DO NOTHING" if again else ""}),"""
        if any(job.needs for job in jobs) else "",
    )  # fmt: skip
