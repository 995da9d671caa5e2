"""Rows as requests name them: one by the id in the path, or a page of a list by its cursor."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from starlette.requests import HTTPConnection
from tortoise.models import Model
from tortoise.queryset import QuerySet

from arqsvc.api.bodies import id_in
from arqsvc.api.keys import Caller
from arqsvc.errors import NotFound

M = TypeVar("M", bound=Model)


async def own(
    model: type[M], connection: HTTPConnection, caller: Caller, missing: Callable[[HTTPConnection], NotFound]
) -> M:
    """Return the row that the path names, if it is of the caller's project.

    Raises:
        NotFound: there is none, or it is another's; made by `missing`.
    """
    found = await model.get_or_none(id=id_in(connection, missing), project=caller.project)
    if found is None:
        raise missing(connection)
    return found


async def newest(query: QuerySet[M], before: UUID | int | None, limit: int) -> tuple[list[M], str | None]:
    """Return a page of rows, the newest first, and the cursor of the next page; None where there is none.

    Args:
        query: what is listed.
        before: the cursor of this page; None for the first.
        limit: most rows of a page.
    """
    if before is not None:
        query = query.filter(id__lt=before)
    found = await query.order_by("-id").limit(limit + 1)
    page = found[:limit]
    return page, str(page[-1].pk) if len(found) > limit else None
