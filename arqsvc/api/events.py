"""What happens to a job, as Server-Sent Events and as WebSocket, both at /api/v1/jobs/{id}/events."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from arqsvc.api.gate import authenticate
from arqsvc.api.jobs import find_job
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation
from arqsvc.api.problems import fault, on_error
from arqsvc.errors import ArqsvcError
from arqsvc.infra import Infra
from arqsvc.jobs.events import Event, EventHub, EventId, follow
from arqsvc.jobs.record import FINAL, JobRecord

PING_S = 15
SEND_S = 60
"""Seconds for which a reader may stand still."""
NO_STORE = {"Cache-Control": "no-store"}
RETRY_MS = 3000
TOLD_ALL = 1000
"""WebSocket close code: the job has ended and all was told."""


@operation(
    "jobs.events", "GET", "/jobs/{id}/events", Scope.READ, {200: "text/event-stream", 204: None}, errors=(404,)
)  # fmt: skip
async def stream(request: Request, caller: Caller) -> Response:
    """Stream what happens to a job as Server-Sent Events, from `Last-Event-ID` or `?after=` on.

    The stream ends with the job; 204 when all was told before.
    """
    job = await find_job(request, caller)
    after = _after(request, job)
    if job.state in FINAL and after.seq == job.seq:
        return Response(status_code=204)
    return EventSourceResponse(_as_sse(_story(request, job, after)), ping=PING_S, send_timeout=SEND_S, headers=NO_STORE)


async def socket(websocket: WebSocket) -> None:
    """The same story over a WebSocket, one envelope a message; closes with 1000 after the final state."""
    try:
        caller = await authenticate(websocket)
        caller.must(Scope.READ)
        job = await find_job(websocket, caller)
        after = _after(websocket, job)
    except ArqsvcError as error:
        await websocket.send_denial_response(await on_error(websocket, error))
        return
    await websocket.accept()
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(_tell(websocket, _story(websocket, job, after)))
        hearing = group.create_task(_until_gone(websocket))
        await asyncio.wait([telling, hearing], return_when=asyncio.FIRST_COMPLETED)
        telling.cancel()
        hearing.cancel()


async def _tell(websocket: WebSocket, story: AsyncGenerator[Event, None]) -> None:
    async with aclosing(story):
        try:
            async for event in story:
                await websocket.send_text(json.dumps(event.envelope()))
            await websocket.close(TOLD_ALL)
        except WebSocketDisconnect:
            return


async def _until_gone(websocket: WebSocket) -> None:
    """Return once the client has left; what it says is not heard."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        continue


def _after(connection: HTTPConnection, job: JobRecord) -> EventId:
    text = connection.headers.get("last-event-id") or connection.query_params.get("after")
    after = EventId.parse(text) if text else EventId(0)
    if after.seq > job.seq:
        raise fault("/after", f"{text} is beyond the newest event of this job, {job.seq}.")
    return after


def _story(connection: HTTPConnection, job: JobRecord, after: EventId) -> AsyncGenerator[Event, None]:
    infra: Infra = connection.app.state.infra
    hub: EventHub = connection.app.state.hub
    return follow(hub, infra.redis, job.id, after)


async def _as_sse(story: AsyncGenerator[Event, None]) -> AsyncIterator[ServerSentEvent]:
    async with aclosing(story):
        async for event in story:
            yield ServerSentEvent(
                json.dumps(event.envelope()), event=event.type, id=str(event.id), retry=RETRY_MS, sep="\n"
            )


OPERATIONS = (stream,)
