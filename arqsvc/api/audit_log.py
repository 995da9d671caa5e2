"""GET /api/v1/audit: who did what."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.audit import AuditRecord
from arqsvc.api.bodies import query_as
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.api.records import newest
from arqsvc.contract import Answer
from arqsvc.errors import Forbidden


class Deed(Answer):
    """One thing that somebody did."""

    id: int
    at: datetime
    project: str
    actor: str
    """The name of the key or session; `command line` for `arqsvc keys`, which needs none."""
    key_id: UUID | None
    action: str
    """The id of the operation, such as `jobs.cancel`."""
    target: str | None
    """The id or name of what it was done to."""
    detail: dict[str, Any] | None


class DeedPage(Answer):
    """What was done, the latest first."""

    items: list[Deed]
    next_cursor: str | None
    """`cursor` of the page behind this one; null on the last."""


class AuditQuery(BaseModel):
    """Which deeds are meant."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    project: str | None = Field(default=None, max_length=64)
    """Another project than the key's own, or `*` for all; needs the scope `admin`."""
    action: str | None = Field(default=None, max_length=64)
    target: str | None = Field(default=None, max_length=255)
    cursor: int | None = Field(default=None, ge=0, lt=2**63)
    limit: int = Field(default=50, ge=1, le=500)


@operation("audit.list", "GET", "/audit", Scope.READ, {200: DeedPage}, query=AuditQuery)
async def list_audit(request: Request, caller: Caller) -> Response:
    """List who did what in the key's project, the latest first.

    Each request that changed something is there, and each that broke off while it might have, but for submissions: a
    job itself says who asked for it. `detail.outcome` is `done`, or the code of what broke it off. What an operator did
    to the project's jobs is there too. Deeds are kept for `ARQSVC_AUDIT_DAYS`.
    """
    asked = query_as(AuditQuery, request)
    if asked.project not in {None, caller.project} and not caller.may(Scope.ADMIN):
        raise Forbidden("The audit log of other projects needs a key with the scope 'admin'.", scope="admin")
    query = AuditRecord.all() if asked.project == "*" else AuditRecord.filter(project=asked.project or caller.project)
    if asked.action:
        query = query.filter(action=asked.action)
    if asked.target:
        query = query.filter(target=asked.target)
    page, cursor = await newest(query, asked.cursor, asked.limit)
    deeds = [Deed.model_validate(row, from_attributes=True) for row in page]
    return reply(DeedPage(items=deeds, next_cursor=cursor))


OPERATIONS = (list_audit,)
