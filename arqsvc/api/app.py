"""create_app(settings, params): routes, lifespan, error handlers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from uvicorn.protocols.utils import ClientDisconnected

from arqsvc.api import (
    actions,
    audit,
    audit_log,
    batches,
    bulk,
    events,
    files,
    health,
    idempotency,
    keyring,
    kinds,
    logs,
    metrics,
    observed,
    problems,
    projects,
    queues,
    reading,
    scaling,
    sessions,
    submit,
    tasks,
    webhooks,
    wes,
    workers,
)
from arqsvc.api.gate import Gate
from arqsvc.api.held import Held, of
from arqsvc.api.methods import on_wrong_method, refusals
from arqsvc.api.openapi import OpenApi
from arqsvc.api.readers import Readers
from arqsvc.api.sites import cors
from arqsvc.api.webhook_sender import AT_ONCE, Sender
from arqsvc.errors import ArqsvcError
from arqsvc.infra import Infra, open_infra
from arqsvc.infra.db import UNAVAILABLE
from arqsvc.infra.outward import Outward, open_outward
from arqsvc.infra.supervise import every, supervised
from arqsvc.jobs.admission import Admission
from arqsvc.jobs.content import sweep_on
from arqsvc.jobs.declare import Params
from arqsvc.jobs.hub import EventHub
from arqsvc.jobs.outlook import Outlook
from arqsvc.jobs.queue import JobQueue, known_queues
from arqsvc.jobs.quota import Quotas
from arqsvc.jobs.reasons import Reasons
from arqsvc.settings import Settings

PARTS = (
    kinds,
    reading,
    logs,
    submit,
    batches,
    actions,
    bulk,
    events,
    files,
    queues,
    scaling,
    workers,
    audit_log,
    webhooks,
    tasks,
    keyring,
    projects,
    sessions,
)
OPERATIONS = tuple(each for part in PARTS for each in part.OPERATIONS)
"""All that the API does below `/api/v1`."""
WEB = Path(__file__).parents[1] / "web"

PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def create_app(settings: Settings, params: Mapping[str, type[Params]]) -> Starlette:
    """Return the ASGI application for these kinds of jobs; it opens the database and Redis when it starts."""
    return Starlette(
        routes=_routes(OpenApi(OPERATIONS, params, known_queues(params, settings.routed))),
        exception_handlers={
            ArqsvcError: problems.on_error,
            HTTPException: problems.on_http_exception,
            HTTPStatus.METHOD_NOT_ALLOWED: on_wrong_method,
            **dict.fromkeys(UNAVAILABLE, problems.on_unavailable),
            ClientDisconnected: problems.on_gone,  # an OSError, but none of the database
            Exception: problems.on_bug,
        },
        middleware=[Middleware(observed.Observed), *cors(settings)],
        lifespan=lambda app: _opened(app, settings, params),
    )


def _routes(described: OpenApi) -> list[BaseRoute]:
    health_routes = [Route("/livez", health.livez, methods=["GET"]), Route("/readyz", health.readyz, methods=["GET"])]
    of_metrics = Route("/metrics", metrics.metrics, methods=["GET"])
    of_openapi = Route("/openapi.json", described.answer, methods=["GET"])
    no_socket = WebSocketRoute("/{path:path}", events.no_socket)
    operations = [each.route() for each in OPERATIONS]
    api = [
        *refusals(operations),
        *operations,
        WebSocketRoute("/jobs/{id}/events", events.job_socket),
        WebSocketRoute("/events", events.fleet_socket),
        *health_routes,
        of_metrics,
        of_openapi,
        no_socket,
    ]
    return [
        Mount("/api/v1", routes=api),
        Mount(wes.BASE, routes=wes.ROUTES, middleware=[Middleware(wes.Spoken)]),
        *health_routes,
        of_openapi,
        of_metrics,
        Route("/login", login, methods=["GET"]),
        Route("/problems/{code}", problems.describe, methods=["GET"]),
        no_socket,
        Mount("/", _Page(packages=[("arqsvc", "web")], html=True)),
    ]


@asynccontextmanager
async def _opened(app: Starlette, settings: Settings, params: Mapping[str, type[Params]]) -> AsyncIterator[None]:
    """Open what the handlers work with, and run what goes on behind them."""
    async with (
        open_infra(settings) as infra,
        open_outward(private=settings.webhook_private, at_once=AT_ONCE) as outward,
    ):
        held = app.state.held = _held(params, infra, outward)
        loops = [
            *held.hub.loops,
            ("submissions", held.queue.run),
            ("webhooks", held.sender.run),
            ("old answers", _forget_answers),
            ("old messages", held.sender.forget),
            ("unnamed content", lambda: sweep_on(infra.storage)),
            ("rates", held.gate.rates.run),
            ("last uses", held.gate.write_uses),
            ("readers", held.readers.run),
        ]
        if days := settings.audit_days:
            loops.append(("old deeds", lambda: every(audit.FORGET_S, lambda: audit.forget_old(days))))
        async with supervised(loops):
            yield


def _held(params: Mapping[str, type[Params]], infra: Infra, outward: Outward) -> Held:
    settings, hub, quotas = infra.settings, EventHub(infra.redis), Quotas(infra.settings)
    queue = JobQueue(infra.redis, settings.routed)
    outlook = Outlook(queue, lease_s=settings.lease_s, long=settings.queue_long, limit=settings.queue_limit)
    return Held(
        params=params,
        infra=infra,
        outward=outward,
        hub=hub,
        queue=queue,
        outlook=outlook,
        quotas=quotas,
        admission=Admission(queue, quotas, outlook),
        reasons=Reasons(settings.lease_s),
        gate=Gate(settings, infra.redis),
        readers=Readers(hub, settings.streams_per_key),
        sender=Sender(outward, base_url=settings.url),
        migrations=health.Migrations(),
        service=metrics.Service(),
        seen=observed.Seen(),
    )


async def _forget_answers() -> None:
    await every(idempotency.FORGET_S, idempotency.forget_old)


class _Page(StaticFiles):
    """The page's own files: they load nothing from elsewhere, and a browser asks whether they are still the same."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        of(HTTPConnection(scope)).gate.sites.check_host(HTTPConnection(scope))
        return await super().get_response(path, scope)

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers.update(PAGE_HEADERS)
        return answer


async def login(request: Request) -> Response:
    """GET /login#t=...: the page that logs a browser in with what only the browser sees, the part behind the `#`."""
    of(request).gate.sites.check_host(request)
    return FileResponse(WEB / "login.html", headers=PAGE_HEADERS)
