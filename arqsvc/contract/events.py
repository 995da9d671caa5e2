"""What happens to jobs, as streams tell it."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from arqsvc.contract.answer import Answer
from arqsvc.contract.jobs import JobState, Progress


class Event(Answer):
    """One thing that happened to a job, the same on every transport."""

    id: str
    """Its place in the job's story, such as `3` or `3.17`."""
    type: Literal["state", "progress", "deleted"]
    """`deleted` is told on streams of all jobs alone, to those who follow then."""
    job_id: UUID
    kind: str
    queue: str
    tags: dict[str, str] | None
    ts: datetime
    cursor: str | None
    """Its place among the changes of all jobs, such as `7312-40`; `progress` and `deleted` have none."""
    data: dict[str, Any]


class Notice(Answer):
    """What a stream says of itself, in the envelope of an event."""

    id: str | None
    type: Literal["hello", "reset", "cut", "error"]
    """`hello`: the stream begins at `cursor`. `reset`: it goes on at `cursor`; `data` is how the jobs stand: how many
    are in each state (`counts`), and the newest 500 that have not ended (`jobs`). `cut`: it ends, because it was not
    read, and goes on behind `last_id`. `error`: what a client said on a socket was refused, or a stream of Server-Sent
    Events ends because its key is no longer good; `data` is the problem."""
    job_id: UUID | None
    kind: None
    queue: None
    tags: None
    ts: datetime
    cursor: str | None
    data: dict[str, Any]


class StateChange(Answer):
    """The new state of a job."""

    state: JobState
    reason: str | None
    attempt: int
    due_at: datetime | None
    """When it is to be queued, where it is scheduled."""
    error: dict[str, Any] | None
    """A problem document, where an attempt failed."""


class StateEvent(Answer):
    """A job has changed its state. No change is left out."""

    id: str
    """Where in the story of its job it stands; `Last-Event-ID` and `after` take it."""
    type: Literal["state"]
    job_id: UUID
    kind: str
    queue: str
    tags: dict[str, str] | None
    ts: datetime
    cursor: str | None
    data: StateChange


class ProgressEvent(Answer):
    """A running job has come further; at most four a second within a step, the last of each step always."""

    id: str
    type: Literal["progress"]
    job_id: UUID
    kind: str
    queue: str
    tags: dict[str, str] | None
    ts: datetime
    cursor: str | None
    data: Progress


class Deletion(Answer):
    """A job as it was."""

    state: JobState


class DeletedEvent(Answer):
    """A job was deleted, and is to be shown no more. Told to those who follow all jobs then, and not again."""

    id: str
    type: Literal["deleted"]
    job_id: UUID
    kind: str
    queue: str
    tags: dict[str, str] | None
    ts: datetime
    cursor: None
    data: Deletion


class Ticket(Answer):
    """What opens one event stream."""

    ticket: str
    """For `?ticket=`."""
    expires_at: datetime
