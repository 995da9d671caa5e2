"""One stream: heartbeats, and a reader that does not read."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from arqsvc.api.sockets import tell, until_gone
from arqsvc.api.sse import EventStream
from arqsvc.cli.instance import listening_on, serving
from arqsvc.infra.redis import ArqRedis
from arqsvc.jobs.events import Event, EventId
from arqsvc.jobs.hub import EventHub
from arqsvc.jobs.outbox import Closed, Outbox
from tests.waiting import until

JOB = UUID(int=1)
LONG = "x" * 1_000


def fill(outbox: Outbox, number: int = 2_000) -> None:
    """Put in more than the buffers of a connection hold."""
    outbox.follows.add(JOB)
    for seq in range(1, number + 1):
        outbox.push(Event(EventId(seq), "state", JOB, datetime.now(UTC), {"state": "running", "reason": LONG}))


@asynccontextmanager
async def served(hub: EventHub, begin: Callable[[Outbox], None], **times: float) -> AsyncIterator[socket.socket]:
    """Connect to a server whose streams all begin so."""

    async def stream(request: Request) -> Response:
        return EventStream(hub.opened, begin, lambda event: event.id, **times)

    async def one(websocket: WebSocket) -> None:
        await websocket.accept()
        with hub.opened() as outbox:
            begin(outbox)
            await tell(websocket, outbox, until_gone(websocket, outbox), **times)

    app = Starlette(routes=[Route("/", stream), WebSocketRoute("/", one)])
    app.state.held = SimpleNamespace(hub=hub)  # all that the end of a server asks for
    with listening_on("127.0.0.1", 0) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        async with serving(app, listening), asyncio.timeout(30):
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
                client.connect(listening.getsockname())
                client.setblocking(False)
                yield client


def asks(*headers: str) -> bytes:
    return "\r\n".join(["GET / HTTP/1.1", "Host: here", *headers, "", ""]).encode()


UPGRADE = (
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


async def received(client: socket.socket, wanted: bytes) -> bytes:
    """Return what comes until these bytes have, or the end."""
    loop, data = asyncio.get_running_loop(), b""
    while wanted not in data and (more := await loop.sock_recv(client, 1 << 20)):
        data += more
    return data


async def test_a_silent_stream_says_that_it_lives() -> None:
    hub = EventHub(ArqRedis())
    async with served(hub, lambda outbox: fill(outbox, 1), heartbeat_s=0.01) as client:
        await asyncio.get_running_loop().sock_sendall(client, asks())
        data = await received(client, b": heartbeat\n\n")
        assert data.index(b"retry: 3000\n\n") < data.index(b"id: 1\nevent: state\ndata: {") < data.index(b": heart")
        assert b"text/event-stream" in data


@pytest.mark.parametrize("request_", [asks(), asks(*UPGRADE)])
async def test_who_reads_nothing_is_broken_off_and_leaves_nothing_behind(request_: bytes) -> None:
    hub, begun = EventHub(ArqRedis()), asyncio.Event()

    def begin(outbox: Outbox) -> None:
        fill(outbox)
        begun.set()

    async with served(hub, begin, send_s=0.2) as client:
        await asyncio.get_running_loop().sock_sendall(client, request_)
        await begun.wait()
        await until(lambda: hub.streams == 0)


@pytest.mark.parametrize(("request_", "farewell"), [(asks(), b"event: cut\n"), (asks(*UPGRADE), b"\x03\xf5")])
async def test_who_reads_again_after_too_much_came_is_told_the_last_id(request_: bytes, farewell: bytes) -> None:
    hub, outboxes = EventHub(ArqRedis()), list[Outbox]()

    def begin(outbox: Outbox) -> None:
        fill(outbox)
        outboxes.append(outbox)

    async with served(hub, begin) as client:
        await asyncio.get_running_loop().sock_sendall(client, request_)
        await until(lambda: bool(outboxes))
        fill(outboxes[0], 5_001)
        assert outboxes[0].closed is Closed.SLOW
        told, _, said = (await received(client, farewell)).rpartition(farewell)
        last = told.rpartition(b'{"id":"')[2].partition(b'"')[0]
        said += await received(client, last) if last not in said else b""
        assert last in said
