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
    jobs: list[UUID] = []
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


class KindStep(Answer):
    """A part of the work of a kind, as its progress names it."""

    name: str
    unit: str | None
    """What is counted in it; null where nothing is."""


class KindLimit(Answer):
    """How many jobs may run at a time, or start in a time, on all workers together."""

    name: str
    at_once: int | None
    """Most that run at the same time; null for any number."""
    starts: int | None
    """Most starts in `per_s` seconds; null for any number."""
    per_s: float


class KindRetries(Answer):
    """How often and when a failed attempt is repeated: the wait doubles each time, from `first_s` up to `cap_s`."""

    tries: int
    """Attempts in all that may fail."""
    first_s: float
    cap_s: float
    outage_s: float
    """Seconds after the first start for which an outage of an outside service uses up no try."""
    retry_for_s: float | None
    """Seconds after the first start behind which no further attempt begins; null for no such end."""


class Kind(Answer):
    """A kind of job: what it does, what it takes and gives, and what is promised of it."""

    kind: str
    summary: str
    """What a job of it does, in one line."""
    description: str
    queue: str
    """Where its jobs wait unless a submission says otherwise."""
    priority: int
    """1..10, 10 the most urgent."""
    timeout_s: float
    """The hard limit of an attempt's time."""
    soft_timeout_s: float
    """After these seconds an attempt is asked to end."""
    no_progress_s: float | None
    """Longest time without progress; null for any."""
    memory_bytes: int | None
    """Ceiling of each of its computations; null for the worker's own."""
    retries: KindRetries
    limits: list[KindLimit] | None
    """What its first example counts towards; null where it has limits and no example."""
    steps: list[KindStep]
    """What its progress tells, in this order; a run may leave some out. Empty where it is not declared."""
    params: dict[str, Any]
    """JSON Schema (2020-12) of `params` of a submission."""
    result: dict[str, Any]
    """JSON Schema (2020-12) of `result` of a job that has succeeded."""
    examples: list[dict[str, Any]]
    """Parameters that are accepted as they stand."""
    submit: str
    """Where to POST a submission."""


class KindList(Answer):
    """All kinds, by name."""

    items: list[Kind]


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
