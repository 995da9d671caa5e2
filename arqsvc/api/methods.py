"""405: a path that has other methods; `Allow` names all of them."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.websockets import WebSocket

from arqsvc.api.problems import on_http_exception


async def on_wrong_method(request: Request | WebSocket, error: Exception) -> Response:
    """Answer 405 with the methods of every route of the path, where Starlette tells those of the first one alone."""
    assert isinstance(error, HTTPException)
    allowed = ", ".join(sorted(_methods(request))) or (error.headers or {}).get("Allow", "GET, HEAD")
    detail = f"this has {allowed}, and not {request.scope.get('method')}"
    return await on_http_exception(
        request, HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": allowed})
    )


def _methods(request: Request | WebSocket) -> set[str]:
    """Return the methods of the routes of a path: of those that name it alone, as `/keys/self` or the kind of a job."""
    found = [
        (route.methods or set(), child["path_params"]["kind"] if "kind" in route.param_convertors else None, route)
        for route in _flat(request.app.routes)
        for match, child in [route.matches(request.scope)]
        if match is not Match.NONE
    ]
    exact = [
        methods for methods, kind, route in found if kind in request.app.state.params or not route.param_convertors
    ]
    return set().union(*(exact or [methods for methods, kind, _ in found if not kind]))


def _flat(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    for route in routes:
        if isinstance(route, Mount):
            yield from _flat(route.routes)
        elif isinstance(route, Route):
            yield route
