"""Who did what: one row for each request that changed something."""

import json
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from arqsvc.infra.db import rows

if TYPE_CHECKING:
    from starlette.requests import Request

    from arqsvc.api.keys import Caller


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


async def note(caller: "Caller", action: str, request: "Request") -> None:
    """Write down that a request has changed something; `request.state.audit` holds what else is to be known of it."""
    target = next(iter(request.path_params.values()), None)
    detail = getattr(request.state, "audit", None)
    await rows(
        """WITH noted AS (INSERT INTO audit (at, project, actor, key_id, action, target, detail)
            VALUES (now(), $1, $2, $3, $4, $5, $6::jsonb) RETURNING id) SELECT id FROM noted""",
        [caller.project, caller.name, caller.id, action, str(target)[:255] if target else None,
         json.dumps(detail) if detail else None],
    )  # fmt: skip
