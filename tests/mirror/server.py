"""HTTP/1.1 on asyncio streams, byte for byte ours, so that an answer can break wherever a fault wants it to."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zlib import MAX_WBITS, compressobj

PIECE_BYTES = 256 * 1024
DRIPS_PER_S = 10


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked."""

    method: str
    target: str
    """Path and query as they came."""

    path: str
    query: Mapping[str, str]
    """Of the address and of a form; a name that comes twice has its values joined by commas."""

    headers: Mapping[str, str]
    """By lower-case name."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back, and how it goes wrong on the way; places are bytes (int) or a share of the body (float)."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False
    """Sent without a declared length."""

    encoded: bool = False
    """Compressed for clients that accept gzip, as the E-utilities do."""

    ranges: bool = False
    """Parts are given to clients that ask for them."""

    cut_at: float | None = None
    """Where the connection is closed."""

    stall_at: float | None = None
    """Where nothing more comes, until the client leaves."""

    hold_at: float | None = None
    """Where it waits to be released."""

    bytes_per_s: float | None = None
    """How slowly it drips."""

    excess_bytes: int = 0
    """By how much the declared length is too large."""


@dataclass(slots=True)
class Seen:
    """A request that was met, and what it got."""

    time: float
    """Monotonic."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    status: int = 0
    body_bytes: int = 0
    """Bytes of the body that the system took over for the client; grows while they are sent."""

    fault: str | None = None
    """Name of the fault that it met."""


Respond = Callable[[Request], Awaitable[Answer]]
Hold = Callable[["Connection"], Awaitable[None]]


def json_answer(document: Any, status: int = 200) -> Answer:
    """Return a JSON answer."""
    return Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"}, chunked=True)


def html_answer(status: int, title: str, text: str) -> Answer:
    """Return a small page."""
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body><h1>{title}</h1>\n{text}</body></html>\n"
    return Answer(status, page.encode(), {"Content-Type": "text/html; charset=UTF-8"})


def not_found(request: Request) -> Answer:
    """Return the page for a path that does not exist."""
    return html_answer(404, "404 Not Found", f"<p>The requested URL {request.path} was not found on this server.</p>")


def in_part(request: Request, answer: Answer) -> Answer:
    """Return the part that was asked for: one range, while If-Range still fits."""
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    still = request.headers.get("if-range", answer.headers.get("ETag")) in {
        answer.headers.get("ETag"),
        answer.headers.get("Last-Modified"),
    }
    if not (answer.ranges and answer.status == 200 and wanted and still):
        return answer
    size = len(answer.body)
    first, last = wanted.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        return Answer(416, b"", {"Content-Range": f"bytes */{size}"})
    headers = {**answer.headers, "Content-Range": f"bytes {start}-{end}/{size}"}
    return replace(answer, status=206, body=answer.body[start : end + 1], headers=headers)


async def as_accepted(request: Request, answer: Answer) -> Answer:
    """Return the answer compressed, if it is one that is and the client accepts it."""
    if not (answer.encoded and answer.body and "gzip" in request.headers.get("accept-encoding", "")):
        return answer

    def compressed() -> bytes:
        stream = compressobj(1, wbits=MAX_WBITS | 16)
        return stream.compress(answer.body) + stream.flush()

    headers = {**answer.headers, "Content-Encoding": "gzip"}
    return replace(answer, body=await asyncio.to_thread(compressed), headers=headers)


class Connection:
    """One client's connection, from its first request to its last."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        # Only what the system has taken counts as sent.
        writer.transport.set_write_buffer_limits(high=0)

    async def request(self) -> Request | None:
        """Return the next request; None once the client has left."""
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        address = urlsplit(target)
        form = body.decode() if headers.get("content-type", "").startswith("application/x-www-form-urlencoded") else ""
        query: dict[str, str] = {}
        for name, value in parse_qsl(address.query, keep_blank_values=True) + parse_qsl(form):
            query[name] = f"{query[name]},{value}" if name in query else value
        return Request(method, target, unquote(address.path), query, headers, body)

    async def send(self, request: Request, answer: Answer, seen: Seen, hold: Hold) -> bool:
        """Send an answer with its faults; return whether the connection can be used again."""
        answer = await as_accepted(request, in_part(request, answer))
        seen.status = answer.status
        reusable = request.headers.get("connection", "").lower() != "close" and not answer.excess_bytes
        self._writer.write(_head(answer, reusable))
        await self._writer.drain()
        if request.method == "HEAD":
            return reusable
        for piece, place in _pieces(answer):
            if piece:
                self._writer.writelines([b"%x\r\n" % len(piece), piece, b"\r\n"] if answer.chunked else [piece])
                await self._writer.drain()
                seen.body_bytes += len(piece)
            if place == "cut":
                return False
            if place == "stall":
                await self.wait(asyncio.Event())
            elif place == "hold":
                await hold(self)
            if answer.bytes_per_s:
                await asyncio.sleep(1 / DRIPS_PER_S)
        if answer.chunked:
            self._writer.write(b"0\r\n\r\n")
            await self._writer.drain()
        return reusable

    async def close(self) -> None:
        """Close it once all is sent."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def abort(self) -> None:
        """Close it at once."""
        self._writer.transport.abort()

    async def wait(self, event: asyncio.Event) -> None:
        """Wait for an event.

        Raises:
            ConnectionResetError: the client left before it.
        """

        async def left() -> None:
            with suppress(ConnectionError):
                await self._reader.read(1)

        async with asyncio.TaskGroup() as group:
            waits = {group.create_task(left()), group.create_task(event.wait())}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        if not event.is_set():
            raise ConnectionResetError


def _head(answer: Answer, reusable: bool) -> bytes:
    framing = (
        {"Transfer-Encoding": "chunked"}
        if answer.chunked
        else {"Content-Length": str(len(answer.body) + answer.excess_bytes)}
    )
    headers = {**answer.headers, **framing, "Connection": "Keep-Alive" if reusable else "close"}
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _pieces(answer: Answer) -> Iterator[tuple[memoryview, str]]:
    """Yield the body in pieces, each with what happens after it: nothing, `cut`, `stall` or `hold`."""
    body = memoryview(answer.body)

    def place(at: float) -> int:
        return min(at if isinstance(at, int) else int(at * len(body)), len(body))

    wanted = (("cut", answer.cut_at), ("stall", answer.stall_at), ("hold", answer.hold_at))
    places = sorted((place(at), name) for name, at in wanted if at is not None)
    step = max(1, int(answer.bytes_per_s / DRIPS_PER_S)) if answer.bytes_per_s else PIECE_BYTES
    start = 0
    for end, name in [*places, (len(body), "")]:
        while end - start > step:
            yield body[start : start + step], ""
            start += step
        yield body[start:end], name
        start = end


async def serve(
    connection: Connection, respond: Callable[[Request], Awaitable[tuple[Answer, Seen]]], hold: Hold
) -> None:
    """Answer one client until it leaves, or an answer ends the connection."""
    try:
        while request := await connection.request():
            answer, seen = await respond(request)
            if not await connection.send(request, answer, seen, hold):
                break
    except ConnectionError:
        pass
    except asyncio.CancelledError:
        connection.abort()
        raise
    finally:
        await connection.close()
