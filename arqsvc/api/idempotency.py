"""`Idempotency-Key`: a request that is sent twice is carried out once, and answered the same."""

from typing import Any

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model


class IdempotencyRecord(Model):
    """The first answer to a key; without a status while that is being made."""

    digest = fields.CharField(64, primary_key=True)
    """SHA-256 of the API key's id and the `Idempotency-Key`."""
    fingerprint = fields.CharField(64)
    """SHA-256 of method, path and body."""
    status = fields.SmallIntField(null=True)
    headers: Any = fields.JSONField(null=True)
    body = fields.TextField(null=True)
    created_at = fields.DatetimeField()

    class Meta:
        """Table and indexes."""

        table = "idempotency"
        indexes = (Index(fields=("created_at",), name="idempotency_age"),)
