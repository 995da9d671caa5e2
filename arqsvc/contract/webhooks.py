"""Webhooks, and what is sent to them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from arqsvc.contract.answer import Answer
from arqsvc.contract.jobs import JobState

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
    """Where the job is read: whole where the operator has told the service its own address (`ARQSVC_URL`); else it
    begins with `/api/v1`, relative to the address at which you reach the service."""


class WebhookMessage(Answer):
    """What a webhook is told of a job."""

    type: EventType
    timestamp: datetime
    """When it happened."""
    data: WebhookJob


class Pinged(Answer):
    """The webhook itself."""

    id: UUID


class WebhookPing(Answer):
    """What `POST /webhooks/{id}/ping` has sent to a webhook."""

    type: Literal["ping"]
    timestamp: datetime
    data: Pinged


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
