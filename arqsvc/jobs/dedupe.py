"""The same work once: a key that says what a job is the same as, and what becomes of it if another does that work."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from arqsvc.errors import Duplicate
from arqsvc.infra.db import rows, transaction
from arqsvc.jobs import ledger
from arqsvc.jobs.new import NewJob, insert
from arqsvc.jobs.queue import JobQueue
from arqsvc.jobs.record import State

WAITS = (State.BLOCKED, State.SCHEDULED, State.QUEUED)


class Mode(StrEnum):
    """What becomes of a job if another does the same work."""

    RETURN_EXISTING = "return_existing"
    REJECT = "reject"
    REPLACE = "replace"


class While(StrEnum):
    """How long a job stands for its work."""

    ACTIVE = "active"
    QUEUED = "queued"


class Dedupe(BaseModel):
    """What a job is the same work as; jobs of one project and kind with the same key do the same work."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    key: str = Field(min_length=1, max_length=255)
    """Anything that names the work."""
    mode: Mode = Mode.RETURN_EXISTING
    """If another job does this work: answer with that one; reject this one; or cancel that one, if it still waits, and
    submit this one in its place."""
    while_: While = Field(default=While.ACTIVE, alias="while")
    """Whether another job stands for its work until it has ended, or only until it begins. One that runs is never
    replaced."""
    within_s: float | None = Field(default=None, gt=0, le=366 * 86_400)
    """Seconds for which a job that succeeded stands for its work as well."""

    @model_validator(mode="after")
    def _one_that_ended_is_not_replaced(self) -> Self:
        if self.within_s is not None and self.mode == Mode.REPLACE:
            raise ValueError("a job that has succeeded cannot be replaced: leave out within_s, or take another mode")
        return self

    @property
    def states(self) -> Sequence[State]:
        """The states in which another job is in the way, or to be replaced."""
        runs = self.mode != Mode.REPLACE and self.while_ == While.ACTIVE
        return (*WAITS, State.RUNNING) if runs else WAITS


async def write_once(queue: JobQueue, jobs: Sequence[NewJob], dedupe: Dedupe) -> tuple[UUID, bool]:
    """Write a job and, before it, all that it needs, unless another does its work already.

    Of many that are submitted at once, by whatever processes, one is written: they go one by one.

    Returns:
        The job that does the work, and whether it is this one.

    Raises:
        Duplicate: another does it, and this one was to be rejected then.
        Conflict: one of the queues takes in no new jobs.
    """
    job = jobs[-1]
    await queue.check_open(jobs)
    if job.again and await rows("SELECT id FROM job WHERE id = $1", [job.id]):
        return job.id, True
    if dedupe.mode != Mode.REPLACE and (others := await _others(job, dedupe)):
        return _stands_for_it(others[0], dedupe)
    async with transaction():
        await rows(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
            [f"dedupe {job.project} {job.kind} {dedupe.key}"],
        )
        others = await _others(job, dedupe)
        if others and dedupe.mode != Mode.REPLACE:
            return _stands_for_it(others[0], dedupe)
        # one that began meanwhile runs on
        replaced = await ledger.cancel([other["id"] for other in others], f"replaced by job {job.id}") if others else []
        moved = await insert(jobs)
    if replaced:
        await queue.called_off(replaced)
    await queue.deliver(moved)
    queue.log_submitted(jobs)
    return job.id, True


async def _others(job: NewJob, dedupe: Dedupe) -> Sequence[Mapping[str, Any]]:
    """Return `id` and `state` of the jobs that do the same work, the newest first."""
    return await rows(
        """SELECT id, state FROM (
            SELECT id, state FROM job WHERE project = $1 AND dedupe = $2 AND kind = $3 AND state = ANY($4::text[])
            UNION ALL SELECT id, state FROM job WHERE project = $1 AND dedupe = $2 AND kind = $3
                AND state = 'succeeded' AND finished_at > now() - make_interval(secs => $5)
        ) same ORDER BY id DESC""",
        [job.project, dedupe.key, job.kind, [state.value for state in dedupe.states], dedupe.within_s],
    )


def _stands_for_it(other: Mapping[str, Any], dedupe: Dedupe) -> tuple[UUID, bool]:
    if dedupe.mode == Mode.REJECT:
        raise Duplicate(
            f"Job {other['id']} is {other['state']} and does the work {dedupe.key[:64]!r}. Wait for it, or submit with "
            "another dedupe key.",
            job=str(other["id"]),
            state=other["state"],
        )
    return other["id"], False
