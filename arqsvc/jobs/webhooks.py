"""Webhooks: where a project wants to be told what happens to its jobs, and each message that is or was to be sent."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from tortoise import fields
from tortoise.indexes import Index, PartialIndex
from tortoise.models import Model

URL_LENGTH = 2048

WebhookUrl = Annotated[
    str, Field(max_length=URL_LENGTH, pattern=r"^https?://", examples=["https://example.org/hooks/arqsvc"])
]


class JobWebhook(BaseModel):
    """Where one job tells what happens to it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: WebhookUrl
    """An address by http or https."""
    types: list[str] = Field(default=["job.succeeded", "job.failed", "job.cancelled"], min_length=1, max_length=20)
    """What it wants to be told; unless given, the ends."""

    def stored(self) -> dict[str, Any]:
        """Return it as `NewJob.webhook`."""
        return {"url": self.url, "types": list(dict.fromkeys(self.types))}


def _whole(given: Any) -> Any:
    return {"url": given} if isinstance(given, str) else given


GivenWebhook = Annotated[JobWebhook, BeforeValidator(_whole, json_schema_input_type=JobWebhook | WebhookUrl)]
"""A job's webhook as a submission has it: whole, or its address alone."""


class WebhookRecord(Model):
    """An address of a project, with the secret that signs what is sent there."""

    id = fields.UUIDField(primary_key=True)
    project = fields.CharField(64)
    url = fields.CharField(2048)
    types: Any = fields.JSONField()
    """The types of events that it wants, such as `job.succeeded`; empty for all."""
    secret = fields.CharField(100)
    old_secret = fields.CharField(100, null=True)
    """The one before, which signs as well until `old_until`."""
    old_until = fields.DatetimeField(null=True)
    disabled_at = fields.DatetimeField(null=True)
    disabled_reason = fields.CharField(255, null=True)
    created_at = fields.DatetimeField()

    class Meta:
        """Table and indexes."""

        table = "webhook"
        indexes = (Index(fields=("project", "id"), name="webhook_project"),)


class DeliveryRecord(Model):
    """One message to one address."""

    id = fields.UUIDField(primary_key=True)
    webhook_id = fields.UUIDField(null=True)
    """None for the address that a job itself carries."""
    project = fields.CharField(64)
    job_id = fields.UUIDField(null=True)
    type = fields.CharField(64)
    body: Any = fields.JSONField()
    state = fields.CharField(16)
    """`pending`, `delivered` or `failed`."""
    tries = fields.SmallIntField(db_default=0)
    due_at = fields.DatetimeField(null=True)
    log: Any = fields.JSONField(null=True)
    """Each try: when, how long it took, the status or the error."""
    created_at = fields.DatetimeField()
    finished_at = fields.DatetimeField(null=True)

    class Meta:
        """Table and indexes."""

        table = "webhook_delivery"
        indexes = (
            Index(fields=("project", "id"), name="webhook_delivery_project"),
            PartialIndex(fields=("due_at",), name="webhook_delivery_pending", condition={"state": "pending"}),
        )
