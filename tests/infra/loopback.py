"""A loopback server that sends exactly the bytes that a test says, and remembers what it was asked."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from arqsvc.infra.http import Http, open_http
from arqsvc.infra.redis import open_redis
from arqsvc.settings import Settings


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it came."""

    method: str
    target: str
    headers: dict[str, str]
    """Their names in lower case."""
    at_s: float

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


class Reply:
    """What a test writes as its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, *pieces: bytes) -> None:
        """Send these bytes as they are, and wait until they are on their way."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def status(self, status: str, body: bytes = b"", *headers: str) -> None:
        """Send an answer that is whole and right."""
        await self.head(status, f"Content-Length: {len(body)}", *headers)
        await self.send(body)

    async def head(self, status: str, *headers: str) -> None:
        await self.send("\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode())

    async def tunnel(self, port: int) -> None:
        """Be the connection to another port, until one end has enough."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(self._reader, writer))
            group.create_task(_pump(reader, self._writer))

    def cut(self) -> None:
        """End the connection here."""
        self._writer.close()


Answers = Callable[[Asked, Reply], Awaitable[None]]


@dataclass
class Loopback:
    """The server; `answers` may be changed while it runs."""

    port: int
    scheme: str
    answers: Answers | None = None
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def loopback(tls: ssl.SSLContext | None = None) -> AsyncIterator[Loopback]:
    """Run it on a free port."""
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        connections.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while not writer.is_closing():
                    asked = _parse(await reader.readuntil(b"\r\n\r\n"))
                    source.asked.append(asked)
                    assert source.answers
                    await source.answers(asked, Reply(reader, writer))
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    source = Loopback(server.sockets[0].getsockname()[1], "https" if tls else "http")
    try:
        yield source
    finally:
        server.close()
        while connections:
            for connection in connections:
                connection.cancel()
            await asyncio.wait(connections)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()


def _parse(head: bytes) -> Asked:
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    return Asked(method, target, {name.lower(): value for name, value in headers.items()}, time.monotonic())


def always(status: str, body: bytes = b"", *headers: str) -> Answers:
    """Return what answers everything like this."""

    async def answer(asked: Asked, reply: Reply) -> None:
        await reply.status(status, body, *headers)

    return answer


def in_turn(*answers: Answers) -> Answers:
    """Return what answers the first request with the first, and so on."""
    left = list(answers)

    async def answer(asked: Asked, reply: Reply) -> None:
        await left.pop(0)(asked, reply)

    return answer


@asynccontextmanager
async def client(state: Path, redis_url: str, stall_s: float = 5.0) -> AsyncIterator[Http]:
    """Open the client of a process."""
    async with open_redis(redis_url) as redis, open_http(Settings(state_dir=state, stall_s=stall_s), redis) as http:
        yield http
