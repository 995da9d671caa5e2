"""Who did what: one row for each request that changed something."""

from typing import Any

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model


class AuditRecord(Model):
    """One thing that somebody did."""

    id = fields.BigIntField(primary_key=True)
    at = fields.DatetimeField()
    project = fields.CharField(64)
    actor = fields.CharField(100)
    """The name of the key or session."""
    key_id = fields.UUIDField(null=True)
    action = fields.CharField(64)
    """Such as `job.cancel`."""
    target = fields.CharField(255, null=True)
    """The id or name of what it was done to."""
    detail: Any = fields.JSONField(null=True)

    class Meta:
        """Table and indexes."""

        table = "audit"
        indexes = (Index(fields=("project", "id"), name="audit_project"),)
