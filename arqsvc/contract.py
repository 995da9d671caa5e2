"""What the API answers, as types: the server makes them, the Python client reads them, `/openapi.json` describes them.

Members may be added in later versions; a reader ignores those that it does not know. Times are RFC 3339 in UTC.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

JobState = Literal["blocked", "scheduled", "queued", "running", "succeeded", "failed", "cancelled"]


class Answer(BaseModel):
    """What an operation answers."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Fault(Answer):
    """One thing that is wrong with a request."""

    pointer: str
    """Where, as a JSON Pointer into the body, or the name of a query parameter behind a slash."""
    detail: str


class Problem(Answer):
    """Why something was refused or failed, as RFC 9457 has it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    """A stable word for a program."""
    detail: str
    """One or two sentences for a person: the value, the limit, the next step."""
    instance: str | None = None
    trace_id: str | None = None
    """The trace of the request, where it has one."""
    errors: list[Fault] | None = None


class Ticket(Answer):
    """What opens one event stream."""

    ticket: str
    """For `?ticket=`."""
    expires_at: datetime


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
    href: str
    """Where its content is."""


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
    """Some jobs, the newest first."""

    items: list[Job]
    next_cursor: str | None
    """`cursor` of the page behind this one; null on the last."""


class Event(Answer):
    """One thing that happened to a job, the same on every transport."""

    id: str
    """Its place in the job's story, such as `3` or `3.17`."""
    type: Literal["state", "progress"]
    job_id: UUID
    kind: str
    queue: str
    tags: dict[str, str] | None
    ts: datetime
    cursor: str | None
    """Its place among the changes of all jobs, such as `7312-40`; progress has none."""
    data: dict[str, Any]


class Notice(Answer):
    """What a stream says of itself, in the envelope of an event."""

    id: str | None
    type: Literal["hello", "reset", "cut", "error"]
    """`hello`: the stream begins at `cursor`. `reset`: it goes on at `cursor`; `data` is how the jobs stand: how many
    are in each state (`counts`), and the newest 500 that have not ended (`jobs`). `cut`: it ends, because it was not
    read, and goes on behind `last_id`. `error`: what a client said on a socket was refused; `data` is the problem."""
    job_id: UUID | None
    kind: None
    queue: None
    tags: None
    ts: datetime
    cursor: str | None
    data: dict[str, Any]


EventType = Literal[
    "job.succeeded", "job.failed", "job.cancelled", "job.running", "job.queued", "job.scheduled"
]  # fmt: skip
"""What a webhook may be told."""


class Webhook(Answer):
    """An address that is told what happens to a project's jobs."""

    id: UUID
    url: str
    types: list[EventType]
    created_at: datetime
    old_secret_until: datetime | None
    """Until when the secret before this one signs as well; null if it does not."""
    failing_since: datetime | None
    """The first try that failed since the last that did not."""
    disabled_at: datetime | None
    disabled_reason: str | None


class NewWebhook(Webhook):
    """A webhook with its secret, which is not shown again."""

    secret: str
    """Signs what is sent there: `whsec_` and base64."""


class WebhookList(Answer):
    """The webhooks of a project."""

    items: list[Webhook]


class WebhookSecret(Answer):
    """What signs for the webhooks that the jobs of a project carry themselves."""

    secret: str
    old_secret_until: datetime | None
    """Until when the one before signs as well; null if it does not."""


class WebhookJob(Answer):
    """What a webhook is told of a job; all else is where `href` leads."""

    id: UUID
    kind: str
    queue: str
    state: JobState
    reason: str | None
    attempt: int
    seq: int
    """Which change of the job's state this is: messages may come out of order, or twice."""
    tags: dict[str, str]
    created_at: datetime
    finished_at: datetime | None
    href: str


class WebhookMessage(Answer):
    """What is sent to a webhook; a `ping` has the webhook's `id` alone as its data."""

    type: EventType
    timestamp: datetime
    """When it happened."""
    data: WebhookJob


class DeliveryTry(Answer):
    """One try at a delivery."""

    at: datetime
    took_s: float
    status: int | None
    error: str | None
    """What was wrong; null where it was delivered."""
    answer: str
    """The beginning of what came back."""


class Delivery(Answer):
    """One message to one address."""

    id: UUID
    """The header `webhook-id`, the same at every try."""
    webhook_id: UUID | None
    """Null for the webhook that a job itself carries."""
    job_id: UUID | None
    type: str
    body: dict[str, Any]
    """The message, as it is sent."""
    state: Literal["pending", "delivered", "failed"]
    tries: int
    due_at: datetime | None
    """When it is tried next."""
    log: list[DeliveryTry]
    created_at: datetime
    finished_at: datetime | None


class DeliveryPage(Answer):
    """Some deliveries, the newest first."""

    items: list[Delivery]
    next_cursor: str | None
    """`cursor` of the page behind this one; null on the last."""


class Queue(Answer):
    """A queue as it stands."""

    queue: str
    mode: Literal["open", "paused", "draining"]
    queued: int
    """Jobs that a worker may begin now."""
    scheduled: int
    blocked: int
    running: int
    oldest_s: float
    """Seconds for which the job that has waited longest is queued; 0 where none is."""
    in_per_s: float
    """Jobs a second that were queued, over the last minute."""
    out_per_s: float
    """Jobs a second that ended, over the last minute."""
    workers: int
    """Live workers that serve it."""
    slots: int
    """How many of its jobs they run at a time, all together."""


class QueueList(Answer):
    """All queues."""

    items: list[Queue]


class Scaling(Answer):
    """How many workers a queue needs."""

    queue: str
    queued: int
    running: int
    oldest_s: float
    """Seconds for which the job that has waited longest is queued; 0 where none is."""
    slots: int
    """How many of its jobs its live workers run at a time, all together."""
    workers: int
    """Live workers that serve it."""
    desired: int
    """Workers that would run all that is queued and running at the same time; what is queued in a paused queue counts
    for nothing."""


class ScalingList(Answer):
    """How many workers each queue needs."""

    items: list[Scaling]


class QueueChanged(Answer):
    """The mode that a queue has now."""

    queue: str
    mode: Literal["open", "paused", "draining"]


class QueuePurged(Answer):
    """How many jobs of a queue were cancelled."""

    queue: str
    purged: int


class Health(Answer):
    """Whether the service can work."""

    status: str
    checks: dict[str, str] = {}
    """Each part by name: `ok`, or what is wrong with it."""


KeyScope = Literal["read", "submit", "cancel", "operate", "admin"]


class Key(Answer):
    """An API key, or the session of a browser; never its secret."""

    id: UUID
    project: str
    name: str
    kind: Literal["key", "session"]
    prefix: str
    """How its secret begins."""
    scopes: list[KeyScope]
    per_minute: int | None
    """Requests a minute that it may send, 0 for any number; null for what the service's settings say."""
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    """When it was last used, to a minute."""


class NewKey(Key):
    """A key that was just made."""

    secret: str
    """The key itself. It is shown this once."""


class KeyPage(Answer):
    """Some keys, the newest first."""

    items: list[Key]
    next_cursor: str | None
    """`cursor` of the page behind this one; null on the last."""


class Project(Answer):
    """A project with its bounds."""

    name: str
    jobs_limit: int | None
    """Most jobs that have not ended; null for any number."""
    files_limit_bytes: int | None
    """Most bytes of its files; null for any number."""


class ProjectList(Answer):
    """All projects that have keys or bounds, by name."""

    items: list[Project]


class ProjectUsage(Project):
    """A project with its bounds and what it has."""

    jobs_open: int
    """Jobs that have not ended; counted up to 100,000."""
    files_bytes: int
    """Bytes of its files, uploaded and made by jobs."""
