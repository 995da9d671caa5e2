"""The same work once: a key that says what a job is the same as, and what becomes of it if another does that work."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from arqsvc.errors import Duplicate
from arqsvc.infra.db import rows
from arqsvc.jobs.new import NewJob
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


async def others_of(job: NewJob, dedupe: Dedupe) -> Sequence[Mapping[str, Any]]:
    """Return `id` and `state` of the jobs that stand for the work of a new one, or that it is to replace."""
    return await _doing(job.project, job.kind, dedupe.key, dedupe.states, dedupe.within_s)


async def hold(project: str, kind: str, key: str) -> None:
    """Let nobody else submit or retry a job of this work until the transaction has ended."""
    await rows("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [f"dedupe {project} {kind} {key}"])


def stands_for_it(other: Mapping[str, Any], dedupe: Dedupe) -> UUID:
    """Return the job that does the work.

    Raises:
        Duplicate: the new one was to be rejected then.
    """
    if dedupe.mode == Mode.REJECT:
        raise Duplicate(
            f"Job {other['id']} is {other['state']} and does the work {dedupe.key[:64]!r}. Wait for it, or submit with "
            "another dedupe key.",
            job=str(other["id"]),
            state=other["state"],
        )
    found: UUID = other["id"]
    return found


async def check_alone(job: UUID, project: str, kind: str, key: str) -> None:
    """Refuse to do a job once more whose work another does; if none does, none is submitted in this transaction.

    Raises:
        Duplicate: another waits, or runs, in whichever way either of them was submitted.
    """
    await hold(project, kind, key)
    for other in await _doing(project, kind, key, (*WAITS, State.RUNNING)):
        raise Duplicate(
            f"Job {other['id']} is {other['state']} and does the work {key[:64]!r}, so job {job} cannot be retried. "
            "Wait for that one, or cancel it first.",
            job=str(other["id"]),
            state=other["state"],
        )


async def _doing(
    project: str, kind: str, key: str, states: Sequence[State], within_s: float | None = None
) -> Sequence[Mapping[str, Any]]:
    """Return `id` and `state` of the jobs of a work, the newest first: in these states, or that succeeded lately."""
    return await rows(
        """SELECT id, state FROM (
            SELECT id, state FROM job WHERE project = $1 AND dedupe = $2 AND kind = $3 AND state = ANY($4::text[])
            UNION ALL SELECT id, state FROM job WHERE project = $1 AND dedupe = $2 AND kind = $3
                AND state = 'succeeded' AND finished_at > now() - make_interval(secs => $5)
        ) same ORDER BY id DESC""",
        [project, key, kind, [state.value for state in states], within_s],
    )
