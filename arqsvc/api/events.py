"""What happens: of one job at /api/v1/jobs/{id}/events, of all at /api/v1/events, both as SSE and as WebSocket."""

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from arqsvc.api.held import of
from arqsvc.api.jobs import find_job
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import STREAM, operation, reply
from arqsvc.api.problems import escaped, fault, on_error
from arqsvc.api.sockets import SNAPSHOT, Conversation, live, place_of, tell, until_gone
from arqsvc.api.sse import EventStream
from arqsvc.api.tickets import admit, make_ticket
from arqsvc.contract import Ticket
from arqsvc.errors import ArqsvcError, NotFound
from arqsvc.jobs.events import Cursor
from arqsvc.jobs.filters import Filter
from arqsvc.jobs.record import FINAL
from arqsvc.jobs.snapshot import Wanted

EVENT_ID = r"^([0-9]{1,9}(\.[0-9]{1,9})?)?$"
CURSOR = r"^([0-9]{1,19}-[0-9]{1,19}|now|snapshot)?$"


class Behind(BaseModel):
    """The query of the stream of a job."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    after: str | None = Field(default=None, pattern=EVENT_ID)
    """The id behind which to begin, such as `3` or `3.17`; the header `Last-Event-ID` goes before it."""
    ticket: str | None = None
    """Instead of a key: what `POST /tickets` made."""


class Following(Filter):
    """The query of the stream of all jobs: a filter, and where to begin."""

    after: str | None = Field(default=None, pattern=CURSOR)
    """The cursor behind which to begin, such as `7312-40`; `now`, as without it; or `snapshot`. The header
    `Last-Event-ID` goes before it."""
    ticket: str | None = None
    """Instead of a key: what `POST /tickets` made."""


def _last_seen(pattern: str) -> dict[str, str]:
    return {"type": "string", "pattern": pattern, "description": "The id of the last event that was seen."}


@operation(
    "jobs.events", "GET", "/jobs/{id}/events", Scope.READ, {200: STREAM, 204: None}, query=Behind,
    headers={"Last-Event-ID": _last_seen(EVENT_ID)}, errors=(404,), by_ticket=True,
)  # fmt: skip
async def stream(request: Request, caller: Caller) -> Response:
    """Stream what happens to a job as Server-Sent Events, from `Last-Event-ID` or `?after=` on.

    The stream ends with the job; 204 when all was told before. A reader that does not read is cut off with an event
    `cut` that says the last id; one whose key is revoked or expires, with an event `error`. A key has at most
    `ARQSVC_STREAMS_PER_KEY` streams open.
    """
    job = await find_job(request, caller)
    after = place_of(_after(request), job.seq)
    if job.state in FINAL and after.seq == job.seq:
        return Response(status_code=204)
    held = of(request)
    held.readers.check(caller)
    return EventStream(
        lambda: held.readers.opened(caller),
        lambda outbox: held.hub.follow(outbox, job.id, after),
        lambda event: event.id,
    )


@operation(
    "events.follow", "GET", "/events", Scope.READ, {200: STREAM}, query=Following,
    headers={"Last-Event-ID": _last_seen(CURSOR)}, by_ticket=True,
)  # fmt: skip
async def fleet(request: Request, caller: Caller) -> Response:
    """Stream what happens to all jobs of the project that fit a filter, in one order, as Server-Sent Events.

    The filter is as in lists. A stream begins now and says with `hello` at which cursor; with `Last-Event-ID` or
    `?after=`, a cursor, it begins behind that. Where what came behind it is not kept any more, or is more than 10,000
    changes, it begins with `reset`, which holds a snapshot; with `?after=snapshot` it always does. Events of progress
    have no id in this stream: who comes back does so behind the last change.
    """
    after = _after(request) or "now"
    cursor = Cursor.parse(after) if after not in {"now", SNAPSHOT} else None
    wanted = Wanted(caller.project, live(Following.parse(request.query_params)))
    held = of(request)
    held.readers.check(caller)
    return EventStream(
        lambda: held.readers.opened(caller),
        lambda outbox: held.hub.fleet.join(outbox, wanted, cursor, anew=after == SNAPSHOT),
        lambda event: event.cursor,
    )


@operation(
    "events.ticket", "POST", "/tickets", Scope.READ, {201: Ticket}, repeatable=False, audited=False,
)  # fmt: skip
async def ticket(request: Request, caller: Caller) -> Response:
    """Make a ticket: for 60 seconds, `?ticket=` opens one event stream instead of a key, with the caller's scopes.

    The stream is one of the key that made the ticket, and ends when that is revoked.
    """
    return reply(await make_ticket(caller), 201, {"Cache-Control": "no-store"})


async def job_socket(websocket: WebSocket) -> None:
    """The story of a job over a WebSocket; closes with 1000 after the final state."""
    held = of(websocket)
    try:
        caller = await _reader(websocket, "after")
        job = await find_job(websocket, caller)
        after = place_of(_after(websocket), job.seq)
        held.readers.check(caller)
    except ArqsvcError as error:
        await websocket.send_denial_response(await on_error(websocket, error))
        return
    with held.readers.opened(caller) as outbox:
        await websocket.accept()
        if job.state in FINAL and after.seq == job.seq:
            outbox.ended(job.id)
        else:
            held.hub.follow(outbox, job.id, after)
        await tell(websocket, outbox, until_gone(websocket, outbox))


async def fleet_socket(websocket: WebSocket) -> None:
    """A WebSocket that follows the jobs, and as much of the fleet, as its client says (`sockets.Message`)."""
    held = of(websocket)
    try:
        caller = await _reader(websocket)
        held.readers.check(caller)
    except ArqsvcError as error:
        await websocket.send_denial_response(await on_error(websocket, error))
        return
    with held.readers.opened(caller, single=False) as outbox:
        await websocket.accept()
        await tell(websocket, outbox, Conversation(held.hub, outbox, caller).hear(websocket))


async def no_socket(websocket: WebSocket) -> None:
    """Answer 404 where no WebSocket is: without an answer of ours it would look forbidden."""
    error = NotFound("There is no WebSocket here. Events come at /api/v1/events and /api/v1/jobs/{id}/events.")
    await websocket.send_denial_response(await on_error(websocket, error))


async def _reader(websocket: WebSocket, *takes: str) -> Caller:
    """Return who wants to read; a filter in the query, which would be for nothing, is refused."""
    caller = await admit(websocket)
    caller.must(Scope.READ)
    known = {"ticket", *takes}
    if unknown := next((name[:100] for name in websocket.query_params if name not in known), None):
        raise fault(
            f"/{escaped(unknown)}",
            f"a WebSocket takes {' and '.join(sorted(known))} here; what to follow is said on it, such as "
            '{"filter": {"kind": "genomes.analyze"}}',
        )
    return caller


def _after(connection: HTTPConnection) -> str | None:
    return connection.headers.get("last-event-id") or connection.query_params.get("after")


OPERATIONS = (stream, fleet, ticket)
