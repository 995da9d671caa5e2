"""Webhooks: where a project wants to be told what happens to its jobs, and each message that is or was to be sent.

A message is written by the statement that changes the job (`posted`, in `move.py`), so that none is lost; what becomes
of it is `deliveries.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from tortoise import fields
from tortoise.indexes import Index, PartialIndex
from tortoise.models import Model

from arqsvc.contract import EventType

PING = "ping"
ENDS: tuple[EventType, ...] = ("job.succeeded", "job.failed", "job.cancelled")
URL_LENGTH = 2048

WebhookUrl = Annotated[str, Field(max_length=URL_LENGTH, pattern=r"^https?://")]
EventTypes = Annotated[list[EventType], Field(min_length=1, max_length=20)]


class JobWebhook(BaseModel):
    """Where one job tells what happens to it; signed with the secret of its project, `GET /webhooks/secret`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    below: ClassVar[str] = "/url"
    """Where in what was given the address stands, as a JSON Pointer."""

    url: WebhookUrl
    """An address by http or https; a public one, unless `ARQSVC_WEBHOOK_PRIVATE` allows others."""
    types: EventTypes = list(ENDS)
    """What it wants to be told; unless given, the ends."""

    def stored(self) -> Mapping[str, Any]:
        """Return it as `NewJob.webhook`."""
        return {"url": self.url, "types": list(dict.fromkeys(self.types))}


class _AddressAlone(JobWebhook):
    below: ClassVar[str] = ""


def _whole(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return _AddressAlone(url=given)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from error


GivenWebhook = Annotated[JobWebhook, BeforeValidator(_whole, json_schema_input_type=JobWebhook | WebhookUrl)]
"""A job's webhook as a submission has it: whole, or its address alone."""


class WebhookRecord(Model):
    """An address of a project, with the secret that signs what is sent there."""

    id = fields.UUIDField(primary_key=True)
    project = fields.CharField(64)
    url = fields.CharField(URL_LENGTH)
    types: Any = fields.JSONField()
    """The types of events that it wants, such as `job.succeeded`."""
    secret = fields.CharField(100)
    old_secret = fields.CharField(100, null=True)
    """The one before, which signs as well until `old_until`."""
    old_until = fields.DatetimeField(null=True)
    failing_since = fields.DatetimeField(null=True)
    """The first try that failed since the last that did not."""
    disabled_at = fields.DatetimeField(null=True)
    disabled_reason = fields.CharField(255, null=True)
    created_at = fields.DatetimeField()

    class Meta:
        """Table and indexes."""

        table = "webhook"
        indexes = (Index(fields=("project", "id"), name="webhook_project"),)


class SecretRecord(Model):
    """What signs for the webhooks that jobs of a project carry themselves."""

    project = fields.CharField(64, primary_key=True)
    secret = fields.CharField(100)
    old_secret = fields.CharField(100, null=True)
    """The one before, which signs as well until `old_until`."""
    old_until = fields.DatetimeField(null=True)

    class Meta:
        """Table."""

        table = "webhook_secret"


class DeliveryRecord(Model):
    """One message to one address."""

    id = fields.UUIDField(primary_key=True)
    webhook_id = fields.UUIDField(null=True)
    """None for the address that a job itself carries."""
    project = fields.CharField(64)
    url = fields.CharField(URL_LENGTH, null=True)
    """The address that a job itself carries; None for that which its webhook has when it is sent."""
    lane = fields.CharField(255)
    """Whom it goes to: the webhook, or the project and the host of the job's own; no lane holds up another."""
    job_id = fields.UUIDField(null=True)
    type = fields.CharField(64)
    body: Any = fields.JSONField()
    state = fields.CharField(16)
    """`pending`, `delivered` or `failed`."""
    tries = fields.SmallIntField(db_default=0)
    due_at = fields.DatetimeField(null=True)
    """When it is tried next; while it is being tried, when it is taken to be lost."""
    log: Any = fields.JSONField(null=True)
    """Each try: when, how long it took, the status or the error."""
    created_at = fields.DatetimeField()
    finished_at = fields.DatetimeField(null=True)

    class Meta:
        """Table and indexes."""

        table = "webhook_delivery"
        indexes = (
            Index(fields=("project", "id"), name="webhook_delivery_project"),
            PartialIndex(fields=("lane", "due_at"), name="webhook_delivery_pending", condition={"state": "pending"}),
            PartialIndex(fields=("due_at", "lane"), name="webhook_delivery_due", condition={"state": "pending"}),
        )


def _time(column: str) -> str:
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


NEW_ID = """encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING substring(int8send(
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid"""
"""A UUID of version 7, which PostgreSQL makes itself from 18 on."""


def posted(changed: str) -> str:
    """Return the CTE that writes a message of each changed job to each webhook that wants to be told.

    Args:
        changed: the whole rows of jobs that are told of, as SQL. They are looked through once, and where neither they
            nor anybody has a webhook no further.
    """
    return f"""posted AS (
    INSERT INTO webhook_delivery (id, webhook_id, project, url, lane, job_id, type, body, state, due_at, created_at)
    SELECT {NEW_ID}, hook, project, address, lane, id, told_type,
        jsonb_build_object('type', told_type, 'timestamp', {_time("now()")}, 'data', jsonb_build_object(
            'id', id, 'kind', kind, 'queue', queue, 'state', state, 'reason', reason, 'attempt', attempt, 'seq', seq,
            'tags', coalesce(tags, '{{}}'), 'created_at', {_time("created_at")},
            'finished_at', {_time("finished_at")})), 'pending', now(), now()
    FROM {changed} job, LATERAL (SELECT 'job.' || job.state AS told_type OFFSET 0) told, LATERAL (
        SELECT webhook.id AS hook, NULL AS address, webhook.id::text AS lane FROM webhook
        WHERE webhook.project = job.project AND webhook.disabled_at IS NULL AND webhook.types ? told_type
        UNION ALL
        SELECT NULL, left(job.webhook->>'url', 2048),
            left(concat_ws(' ', job.project, lower(substring(job.webhook->>'url' FROM '//([^/?#]*)'))), 255)
        WHERE job.webhook->'types' ? told_type
    ) wanted
    WHERE job.webhook IS NOT NULL OR EXISTS (SELECT FROM webhook)
)"""
