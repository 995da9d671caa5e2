"""create_app(settings, params): routes, lifespan, error handlers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from arqsvc.api import (
    actions,
    audit_log,
    batches,
    bulk,
    events,
    files,
    health,
    idempotency,
    jobs,
    keys,
    problems,
    queues,
    submit,
    tasks,
    workers,
)
from arqsvc.errors import ArqsvcError, Unauthorized
from arqsvc.infra import open_infra
from arqsvc.infra.db import UNAVAILABLE
from arqsvc.infra.supervise import every, supervised
from arqsvc.jobs.declare import Params
from arqsvc.jobs.hub import EventHub
from arqsvc.jobs.outlook import Outlook
from arqsvc.jobs.queue import JobQueue
from arqsvc.settings import Settings

PARTS = (
    submit,
    batches,
    jobs,
    actions,
    bulk,
    events,
    files,
    queues,
    workers,
    audit_log,
    tasks,
)
OPERATIONS = tuple(each for part in PARTS for each in part.OPERATIONS)
"""All that the API does below `/api/v1` for who has a key."""

PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def create_app(settings: Settings, params: Mapping[str, type[Params]]) -> Starlette:
    """Return the ASGI application for these kinds of jobs; it opens the database and Redis when it starts."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_infra(settings) as infra:
            hub, queue = EventHub(infra.redis), JobQueue(infra.redis, settings.routed)
            app.state.infra, app.state.hub, app.state.queue, app.state.params = infra, hub, queue, params
            app.state.outlook = Outlook(
                queue, lease_s=settings.lease_s, long=settings.queue_long, limit=settings.queue_limit
            )  # fmt: skip
            loops = [*hub.loops, ("submissions", queue.run), ("old answers", _forget_answers)]
            async with supervised(loops):
                yield

    api = [
        *(each.route() for each in OPERATIONS),
        WebSocketRoute("/jobs/{id}/events", events.job_socket),
        WebSocketRoute("/events", events.fleet_socket),
        Route("/livez", health.livez, methods=["GET"]),
        Route("/readyz", health.readyz, methods=["GET"]),
    ]
    return Starlette(
        routes=[
            Mount("/api/v1", routes=api),
            Route("/livez", health.livez, methods=["GET"]),
            Route("/readyz", health.readyz, methods=["GET"]),
            Route("/login", login, methods=["GET"]),
            Route("/problems/{code}", problems.describe, methods=["GET"]),
            Mount("/", _Page(packages=[("arqsvc", "web")], html=True)),
        ],
        exception_handlers={
            ArqsvcError: problems.on_error,
            HTTPException: problems.on_http_exception,
            **dict.fromkeys(UNAVAILABLE, problems.on_unavailable),
            Exception: problems.on_bug,
        },
        lifespan=lifespan,
    )


async def _forget_answers() -> None:
    await every(idempotency.FORGET_S, idempotency.forget_old)


class _Page(StaticFiles):
    """The page's own files: they load nothing from elsewhere, and a browser asks whether they are still the same."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers.update(PAGE_HEADERS)
        return answer


async def login(request: Request) -> Response:
    """GET /login?token=...: a one-time link becomes a session's cookie, and leads to the page.

    A person whose link is used up is led to the page too, which says how to get another.
    """
    if request.method != "GET":  # HEAD is for those who look at links; it must not use one up
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)
    try:
        secret = await keys.take_link(request.query_params.get("token", ""))
    except Unauthorized:
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        raise
    answer = RedirectResponse("/", HTTPStatus.SEE_OTHER, headers={"Referrer-Policy": "no-referrer"})
    answer.set_cookie(
        keys.COOKIE,
        secret,
        max_age=int(keys.SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer
