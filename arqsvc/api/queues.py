"""Queues over HTTP: GET /api/v1/queues, and what an operator may do with one."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from arqsvc.api.bodies import Reason, body_as
from arqsvc.api.keys import authenticate
from arqsvc.errors import NotFound
from arqsvc.infra import Infra
from arqsvc.jobs.queue import JobQueue, known_queues
from arqsvc.jobs.queues import states
from arqsvc.jobs.record import QueueMode

MODES = {"pause": QueueMode.PAUSED, "resume": QueueMode.OPEN, "drain": QueueMode.DRAINING}


async def list_queues(request: Request) -> Response:
    """GET /queues: each with its mode, how many jobs it holds, how old they are, how fast it moves."""
    await authenticate(request)
    infra: Infra = request.app.state.infra
    known = known_queues(request.app.state.params, infra.settings.routed)
    found = await states(infra.redis, known, infra.settings.lease_s)
    return JSONResponse({"items": [asdict(one) for one in found]})


def change(mode: QueueMode) -> Callable[[Request], Awaitable[Response]]:
    """POST /queues/{queue}/pause, /resume, /drain: 200 and the mode."""

    async def changed(request: Request) -> Response:
        await authenticate(request)
        queue = _known(request)
        await _jobs(request).set_mode(queue, mode)
        return JSONResponse({"queue": queue, "mode": mode.value})

    return changed


async def purge(request: Request) -> Response:
    """POST /queues/{queue}/purge, with `{"reason": ...}` or no body: cancels all that waits; 200 and how many."""
    await authenticate(request)
    asked = await body_as(Reason, request, empty={})
    queue = _known(request)
    return JSONResponse({"queue": queue, "purged": await _jobs(request).purge(queue, asked.reason)})


def _known(request: Request) -> str:
    queue: str = request.path_params["queue"]
    infra: Infra = request.app.state.infra
    known = known_queues(request.app.state.params, infra.settings.routed)
    if queue not in known:
        raise NotFound(f"There is no queue {queue[:64]!r}. Queues: {', '.join(known)}.")
    return queue


def _jobs(request: Request) -> JobQueue:
    queue: JobQueue = request.app.state.queue
    return queue
