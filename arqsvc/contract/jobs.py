"""Jobs, alone and in lists, with what is theirs."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from arqsvc.contract.answer import Answer, Problem

JobState = Literal["blocked", "scheduled", "queued", "running", "succeeded", "failed", "cancelled"]


class Progress(Answer):
    """Where the work of a running job stands."""

    step: str
    fraction: float = Field(ge=0, le=1)
    done: float
    total: float
    unit: str | None


class Need(Answer):
    """A job that another needs before it begins."""

    id: UUID
    kind: str
    state: JobState


class Attempt(Answer):
    """One try at a job."""

    number: int
    worker: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    """`succeeded`, `failed`, `cancelled`, `throttled`, `unavailable`, `interrupted` or `lost`; null while it runs."""
    error: dict[str, Any] | None
    peak_memory_bytes: int | None
    cpu_s: float | None


class File(Answer):
    """A stored file."""

    id: UUID
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: datetime
    job_id: UUID | None
    """The job that made it; null for one that was uploaded."""
    href: str
    """Where its content is."""


class Spread(Answer):
    """Seconds that something takes, from how long it took before."""

    p50: float
    """Half of the times it takes no longer than this."""
    p90: float
    """Nine times in ten."""


class Waiting(Answer):
    """Why a job has not begun."""

    reason: Literal[
        "behind", "blocked_by", "paused", "draining", "no_worker", "throttled", "limited", "scheduled", "retry"
    ]
    detail: str
    """The same in a sentence for a person."""
    position: int | None = None
    """Its place in its queue: 1 is the next to begin."""
    ahead: int | None = None
    """Jobs of its queue that begin before it; 10,000 stands for as many or more."""
    jobs: list[UUID] = Field(default=[])
    """For `blocked_by`: what it needs and has not succeeded yet."""
    limit: str | None = None
    """For `limited`: the limit that is full."""
    host: str | None = None
    """For `throttled`: who asks to wait, where that is known."""
    until: datetime | None = None
    """When it goes on at the earliest, where that is known."""
    start_in_s: Spread | None = None
    """When it is expected to begin; null where too little is known."""
    run_s: Spread | None = None
    """How long it is expected to run; null where fewer than 5 of its kind have succeeded."""


class Job(Answer):
    """A job as it stands."""

    id: UUID
    kind: str
    state: JobState
    reason: str | None
    """Why it is in this state, as a stable word."""
    params: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    """A problem document, once it has failed, or while it waits to be tried again."""
    progress: Progress | None
    attempt: int
    tries: int
    queue: str
    priority: int
    tags: dict[str, str]
    parent_id: UUID | None
    """The job that it does again."""
    submitted_by: str | None
    """The name of the key that asked for it."""
    pinned: bool
    """Whether it is kept from being deleted."""
    created_at: datetime
    due_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    cancel_reason: str | None
    needs: list[Need]
    attempts: list[Attempt]
    files: list[File]
    waiting: Waiting | None = None
    """Why it has not begun; told of one job, and in no list."""
    left_s: Spread | None = None
    """How much longer it is expected to run, while it does and enough is known; told of one job, and in no list."""


class Warned(Answer):
    """Why a job may wait for longer than its submitter expects."""

    code: Literal["no_worker", "queue_paused", "queue_long"]
    queue: str
    detail: str


class Submitted(Job):
    """A job as it stands once it is submitted."""

    warnings: list[Warned]
    """What its submitter should know of its queue, and of those of the jobs that it needs."""


class JobReference(Answer):
    """Where a job is found."""

    id: UUID
    href: str


class BatchItem(Answer):
    """What came of one job of a batch."""

    status: int
    """As it would be submitted alone: 202; 200 where another job does its work; else that of the problem."""
    job: JobReference | None = None
    problem: Problem | None = None


class Batch(Answer):
    """What came of each job of a batch, in the order given."""

    items: list[BatchItem]
    accepted: int
    """How many were taken in, or are done by another job."""
    refused: int
    warnings: list[Warned]
    """What their submitter should know of their queues."""


class JobPage(Answer):
    """Some jobs, the newest first unless asked otherwise."""

    items: list[Job]
    """At most `limit`; a page that is looked through for a text may hold fewer although there are more.
    In a brief view `params`, `result`, `needs`, `attempts` and `files` are left empty."""
    next_cursor: str | None
    """`cursor` of the page behind this one; null on the last."""


class Count(Answer):
    """How many jobs."""

    count: int
    exact: bool
    """False where there are at least so many: counting stopped there."""


class JobCounts(Answer):
    """How many jobs there are, and of what; values that no job has are left out."""

    all: Count
    state: dict[str, Count]
    kind: dict[str, Count]
    queue: dict[str, Count]
    tags: dict[str, dict[str, Count]]
    """By name and value, the most frequent: at most 20 names, and 50 values of each."""


class AttemptList(Answer):
    """All attempts of a job, in their order."""

    items: list[Attempt]


class FileList(Answer):
    """All files of a job, by name."""

    items: list[File]


class FilePage(Answer):
    """Files of the project, the newest first."""

    items: list[File]
    next_cursor: str | None
    """`cursor` of the page behind this one; null on the last."""


class LogLine(Answer):
    """What an attempt of a job logged."""

    id: str
    """Where in the log of the job it stands: attempt and number, such as `1.17`."""
    attempt: int
    at: datetime
    level: str
    message: str


class LogPage(Answer):
    """Some lines of a job's log, the oldest first."""

    items: list[LogLine]
    next_after: str | None
    """`after` of what follows, which may not be written yet; null while there is no line."""
