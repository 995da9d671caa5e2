"""405: a path that has other methods; `Allow` names all of them."""

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.websockets import WebSocket

from arqsvc.api.held import of
from arqsvc.api.problems import on_http_exception

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
REFUSED = "not a method of this"


async def on_wrong_method(request: Request | WebSocket, error: Exception) -> Response:
    """Answer 405 with the methods of every route of the path, where Starlette tells those of the first one alone."""
    assert isinstance(error, HTTPException)
    allowed = ", ".join(sorted(_methods(request))) or (error.headers or {}).get("Allow", "GET, HEAD")
    detail = f"this has {allowed}, and not {request.scope.get('method')}"
    return await on_http_exception(
        request, HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": allowed})
    )


def refusals(routes: Sequence[Route]) -> list[Route]:
    """Return routes, to stand before these, that refuse the other methods of paths such as `/keys/self`.

    Else `DELETE /keys/self` would be taken for that of a key whose id is `self`.
    """
    open_ended = [route for route in routes if route.param_convertors]
    has: dict[str, set[str]] = {}
    for route in routes:
        if any(other.path_regex.match(route.path) for other in open_ended if not route.param_convertors):
            has.setdefault(route.path, set()).update(route.methods or ())
    return [
        Route(path, _refuse, methods=sorted(METHODS - methods), name=REFUSED, include_in_schema=False)
        for path, methods in has.items()
    ]


async def _refuse(request: Request) -> Response:
    raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)


def _methods(request: Request | WebSocket) -> set[str]:
    """Return the methods of the routes of a path: of those that name it alone, as `/keys/self` or the kind of a job."""
    found = [
        (route.methods or set(), child["path_params"]["kind"] if "kind" in route.param_convertors else None, route)
        for route in _flat(request.app.routes)
        for match, child in [route.matches(request.scope)]
        if match is not Match.NONE
    ]
    exact = [methods for methods, kind, route in found if kind in of(request).params or not route.param_convertors]
    return set().union(*(exact or [methods for methods, kind, _ in found if not kind]))


def _flat(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    for route in routes:
        if isinstance(route, Mount):
            yield from _flat(route.routes)
        elif isinstance(route, Route) and route.name != REFUSED:
            yield route
