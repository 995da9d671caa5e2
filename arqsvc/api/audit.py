"""Who did what: one row for each request that changed something, or broke off while it did.

What else is to be known of a request, its handler says by `request.state.audit`, an object that it may change until it
ends, or False if nothing is done; and by `request.state.concerned` what other projects are to see of it, such an object
for each.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from arqsvc.errors import ArqsvcError, Rejected, SourceUnavailable
from arqsvc.infra.db import UNAVAILABLE, rows

if TYPE_CHECKING:
    from starlette.requests import Request

    from arqsvc.api.keys import Caller

logger = logging.getLogger(__name__)

FORGET_S = 3600.0
"""Seconds between two looks for rows that are too old."""
ROWS_A_LOOK = 5_000
DEADLINE_S = 5.0
"""Seconds in which a deed that broke off is written down: the database may be what broke."""
DONE, BROKEN_OFF = "done", "broken_off"
"""The outcome of a deed that was carried out, and of one that this process let go of, because it stops."""


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


@asynccontextmanager
async def audited(caller: "Caller", action: str, request: "Request") -> AsyncIterator[None]:
    """Write down that the block, which carries out a request, has changed something, or broke off while it might have.

    The outcome, in `detail`, is `done`, or the code of the error. What was refused is no deed.
    """
    try:
        yield
    except Rejected:
        raise
    except BaseException as error:
        code = error.code if isinstance(error, ArqsvcError) else _code(error)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await note(caller, action, request, code)
        except UNAVAILABLE:
            facts = {"action": action, "key_id": str(caller.id), "path": request.url.path, "outcome": code}
            logger.error("a deed that broke off could not be written down", extra=facts)
        raise
    await note(caller, action, request)


async def note(caller: "Caller", action: str, request: "Request", outcome: str = DONE) -> None:
    """Write down what a request has done."""
    detail = getattr(request.state, "audit", None)
    if detail is False:
        return
    told = {caller.project: detail or {}}
    for project, theirs in getattr(request.state, "concerned", {}).items():
        told.setdefault(project, theirs)
    target = next(iter(request.path_params.values()), None)
    await write(caller.name, caller.id, action, target, {
        project: {**each, "outcome": outcome} for project, each in told.items()
    })  # fmt: skip


async def write(
    actor: str, key_id: UUID | None, action: str, target: object | None, details: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write one row for each project that is to see what somebody did: by its name, what is to be known of it."""
    await rows(
        """WITH noted AS (INSERT INTO audit (at, project, actor, key_id, action, target, detail)
            SELECT now(), told.project, $1, $2, $3, $4, told.detail::jsonb
            FROM unnest($5::text[], $6::text[]) AS told(project, detail) RETURNING id) SELECT count(*) FROM noted""",
        [actor, key_id, action, None if target is None else str(target)[:255], list(details),
         list(map(json.dumps, details.values()))],
    )  # fmt: skip


async def forget_old(days: int) -> None:
    """Delete what is older than so many days, the oldest first; ids are in the order of time, but for a moment."""
    forgotten = ROWS_A_LOOK
    while forgotten == ROWS_A_LOOK:
        found = await rows(
            """WITH oldest AS MATERIALIZED (SELECT id, at FROM audit ORDER BY id LIMIT $2),
            old AS (DELETE FROM audit WHERE id IN (SELECT id FROM oldest WHERE at < now() - make_interval(days => $1))
                RETURNING id)
            SELECT count(*) AS n FROM old""",
            [days, ROWS_A_LOOK],
        )
        forgotten = found[0]["n"]


def _code(error: BaseException) -> str:
    """Return what stands for an error that is none of ours, as the answer to the request has it."""
    if isinstance(error, UNAVAILABLE):
        return SourceUnavailable.code
    return ArqsvcError.code if isinstance(error, Exception) else BROKEN_OFF
