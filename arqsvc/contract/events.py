"""What happens to jobs, as streams tell it: each message is one of `StreamEvent`, on every transport."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, RootModel

from arqsvc.contract.answer import Answer, Problem
from arqsvc.contract.jobs import JobState, Progress

Tags = Annotated[dict[str, str], BeforeValidator(lambda given: given or {})]
"""An older service writes null where there are none."""


class OfJob(Answer):
    """One thing that happened to a job."""

    id: str
    """Where in the story of its job it stands, such as `3` or `3.17`. On the stream of one job, `Last-Event-ID` and
    `after` take it; on that of all jobs they take `cursor`."""
    type: str
    job_id: UUID
    kind: str
    queue: str
    tags: Tags
    ts: datetime
    cursor: str | None
    """Where among the changes of all jobs it stands, such as `7312-40`; null for progress and deletions."""


class Event(OfJob):
    """One thing that happened to a job, whatever its type."""

    type: Literal["state", "progress", "deleted"]
    """`deleted` is told on streams of all jobs alone, to those who follow then."""
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


class StateEvent(OfJob):
    """A job has changed its state. No change is left out."""

    type: Literal["state"]
    data: StateChange


class ProgressEvent(OfJob):
    """A running job has come further; at most four a second within a step, the last of each step always."""

    type: Literal["progress"]
    data: Progress


class Deletion(Answer):
    """A job as it was."""

    state: JobState


class DeletedEvent(OfJob):
    """A job was deleted, and is to be shown no more. Told to those who follow all jobs then, and not again."""

    type: Literal["deleted"]
    data: Deletion


class OfStream(Answer):
    """What a stream says of itself, in the envelope of an event of a job."""

    id: str | None
    type: str
    job_id: UUID | None
    kind: None
    queue: None
    tags: None
    ts: datetime
    cursor: str | None


class Nothing(Answer):
    """No more than the type says."""


class HelloEvent(OfStream):
    """The stream of all jobs begins at `cursor`, which is now."""

    id: str
    type: Literal["hello"]
    cursor: str
    data: Nothing


class SnapshotJob(Answer):
    """A job in short; an event of it whose id is not above `seq` is told in it already."""

    id: UUID
    kind: str
    queue: str
    tags: dict[str, str]
    state: JobState
    reason: str | None
    seq: int
    attempt: int
    created_at: datetime
    due_at: datetime | None
    started_at: datetime | None


class Snapshot(Answer):
    """How the jobs stand that a stream tells of."""

    counts: dict[JobState, int]
    """How many are in each state; 10,000 is that or more."""
    jobs: list[SnapshotJob]
    """The newest 500 that have not ended."""


class ResetEvent(OfStream):
    """The stream of all jobs goes on at `cursor`, and leaves out what came before: `data` is how the jobs stand."""

    id: str
    type: Literal["reset"]
    cursor: str
    data: Snapshot


class Cut(Answer):
    """Where a stream was cut off."""

    last_id: str | None
    """Behind which to go on; null where nothing was told."""
    detail: str


class CutEvent(OfStream):
    """A stream of Server-Sent Events ends because it was not read."""

    type: Literal["cut"]
    data: Cut


class ErrorEvent(OfStream):
    """What a client said on a WebSocket was refused (of `job_id`, where it is of one); or a stream of Server-Sent
    Events ends because the key that opened it is no longer good."""

    type: Literal["error"]
    data: Problem


class StreamEvent(
    RootModel[
        Annotated[
            StateEvent | ProgressEvent | DeletedEvent | HelloEvent | ResetEvent | CutEvent | ErrorEvent,
            Field(discriminator="type"),
        ]
    ]
):
    """A message of a stream: the `data` of a Server-Sent Event, or a text of a WebSocket. Types may be added."""


class Ticket(Answer):
    """What opens one event stream."""

    ticket: str
    """For `?ticket=`."""
    expires_at: datetime
