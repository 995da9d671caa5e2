"""POST /api/v1/jobs:bulk: the same done to all jobs that a filter means, if they are as many as was expected."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.bodies import body_as
from arqsvc.api.held import of
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.api.problems import fault
from arqsvc.contract import Answer
from arqsvc.errors import Conflict, JobsQuota, QueueFull
from arqsvc.infra.db import rows
from arqsvc.jobs.deletion import delete, pin
from arqsvc.jobs.filters import ID, Filter
from arqsvc.jobs.retry import retry

PAGE = 500
MOST = 10_000
"""Most jobs that one request acts on."""
COUNTED = 100_000
"""Up to here a count is exact."""
SHOWN = 3
Action = Literal["cancel", "retry", "delete", "pin", "unpin"]
_OPEN = "state IN ('blocked', 'scheduled', 'queued', 'running')"
_ELIGIBLE: dict[Action, str] = {
    "cancel": f"{_OPEN} AND cancel_requested_at IS NULL",
    "retry": "state IN ('failed', 'cancelled')",
    "delete": "state IN ('succeeded', 'failed', 'cancelled') AND NOT pinned",
    "pin": "NOT pinned",
    "unpin": "pinned",
}
"""Which jobs an action can be done to."""


class BulkFilter(Filter):
    """Jobs that fit all of what is given; all jobs where nothing is."""

    q: Annotated[str, Field(json_schema_extra={"pattern": ID})] | None = None
    """A job's id, or the first 8 characters or more of one. No other text is looked for here."""

    @field_validator("q")
    @classmethod
    def _no_text(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(ID, value):  # it would be looked for in every job, without a bound
            raise ValueError("only a job's id is looked for here, and no text; search the list, or filter by tags")
        return value


class Bulk(BaseModel):
    """What is to be done, and to which jobs of the key's project."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "anyOf": [
                {"properties": {"dry_run": {"const": True}}, "required": ["dry_run"]},
                {"properties": {"expected": {"type": "integer"}}, "required": ["expected"]},
            ]
        },
    )

    action: Action
    filter: BulkFilter
    """Of the jobs that it means, those are acted on that the action can be done to."""
    dry_run: bool = False
    """Only say how many these are."""
    expected: int | None = Field(default=None, ge=0)
    """How many a dry run said; if they are another number by now, nothing is done."""
    reason: str | None = Field(default=None, max_length=255)
    """For `cancel`: why."""
    grace_s: float | None = Field(default=None, ge=0, le=3600)
    """For `cancel`: seconds that a running job gets to clean up."""


class BulkDone(Answer):
    """What was done, or would be."""

    action: Action
    dry_run: bool
    matched: int
    """How many jobs the filter means to which the action can be done."""
    exact: bool
    """Whether there are no more than that."""
    done: int
    """How many it was done to; those that changed meanwhile, or that it would be refused for alone, are left out."""
    left: int
    """How many were left for another request, which acts on 10,000 at most."""
    sample: list[UUID]
    """The first of them."""


EXAMPLES = {
    "count first": {"action": "cancel", "filter": {"kind": ["genomes.*"], "state": ["queued"]}, "dry_run": True},
    "then do it": {"action": "cancel", "filter": {"kind": ["genomes.*"], "state": ["queued"]}, "expected": 0},
}


@operation(
    "jobs.bulk", "POST", "/jobs:bulk", Scope.CANCEL, {200: BulkDone}, body=Bulk, errors=(409, 503), examples=EXAMPLES
)
async def bulk(request: Request, caller: Caller) -> Response:
    """Cancel, retry, delete, pin or unpin all jobs that a filter means.

    First with `dry_run`, which says how many there are; then with that number as `expected`: 409, and nothing is done,
    if it has changed. `retry` needs the scope `submit` as well, and stops where the project, or a queue, has as many
    jobs as it may.
    """
    asked = await body_as(Bulk, request)
    if asked.action == "retry":
        caller.must(Scope.SUBMIT)
    if asked.dry_run:
        request.state.audit = False
    matched, sample = await _count(caller, asked)
    if not asked.dry_run and asked.expected is None:
        raise fault("/expected", "say how many jobs this is to act on; ask with dry_run first")
    if not asked.dry_run and asked.expected != matched:
        raise Conflict(
            f"{matched:,} jobs fit the filter now, and {asked.expected:,} were expected. Nothing was done. Look again "
            "with dry_run.",
            matched=matched, expected=asked.expected,
        )  # fmt: skip
    done = 0 if asked.dry_run else await _act(request, caller, asked, matched)
    return reply(BulkDone(
        action=asked.action, dry_run=asked.dry_run, matched=matched, exact=matched < COUNTED, done=done,
        left=0 if asked.dry_run else max(0, matched - MOST), sample=sample,
    ))  # fmt: skip


async def _act(request: Request, caller: Caller, asked: Bulk, matched: int) -> int:
    """Do it to all that are meant, page by page; returns to how many. The audit log is told as it goes."""
    told = {**asked.model_dump(mode="json", exclude_defaults=True), "matched": matched, "done": 0}
    request.state.audit = told
    held = of(request)
    full: JobsQuota | QueueFull | None = None

    async def retried(page: Sequence[UUID]) -> list[UUID]:
        nonlocal full
        done = []
        for job in page:
            try:
                await retry(held.admission, job)
            except Conflict:
                continue
            except (JobsQuota, QueueFull) as error:
                full = error
                break
            done.append(job)
        return done

    acts: dict[Action, Callable[[Sequence[UUID]], Awaitable[Any]]] = {
        "cancel": lambda page: held.queue.cancel_all(page, asked.reason, asked.grace_s),
        "retry": retried,
        "delete": lambda page: delete(page, caller.project, held.infra.storage, held.infra.redis),
        "pin": lambda page: pin(page, pinned=True),
        "unpin": lambda page: pin(page, pinned=False),
    }
    async for page in _pages(caller, asked):
        came = await acts[asked.action](page)
        told["done"] += came if isinstance(came, int) else len(came)
        if full:
            break
    done: int = told["done"]
    if full and not done:
        raise full
    return done


async def _pages(caller: Caller, asked: Bulk) -> AsyncIterator[list[UUID]]:
    """Yield the ids of what is meant, at most so many, each once."""
    where, values = asked.filter.where(4)
    statement = f"""SELECT id FROM job WHERE project = $1 AND id > $2 AND {_ELIGIBLE[asked.action]} AND {where}
        ORDER BY id LIMIT $3"""
    last, told = UUID(int=0), 0
    while told < MOST:
        page = [row["id"] for row in await rows(statement, [caller.project, last, min(PAGE, MOST - told), *values])]
        if not page:
            return
        yield page
        last, told = page[-1], told + len(page)


async def _count(caller: Caller, asked: Bulk) -> tuple[int, list[UUID]]:
    """Return how many jobs are meant, up to the limit of counting, and the first of them."""
    where, values = asked.filter.where(3)
    found = await rows(
        f"""WITH meant AS MATERIALIZED (SELECT id FROM job
            WHERE project = $1 AND {_ELIGIBLE[asked.action]} AND {where} ORDER BY id LIMIT $2)
        SELECT count(*) AS n, (SELECT array_agg(id) FROM (SELECT id FROM meant LIMIT {SHOWN}) first) AS sample
        FROM meant""",
        [caller.project, COUNTED, *values],
    )
    return found[0]["n"], found[0]["sample"] or []


OPERATIONS = (bulk,)
