"""A receiver of webhooks on loopback, that answers as a test says and remembers what it was sent."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from arqsvc.webhooks import verify
from tests.waiting import until


@dataclass(frozen=True, slots=True)
class Message:
    """One request, as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return str(json.loads(self.body)["type"])

    def verified(self, secret: str) -> Any:
        """Return what it says, if this secret signed it."""
        return verify(secret, self.headers, self.body)


@dataclass
class Receiver:
    """The server; how it answers may be changed while it runs."""

    port: int
    answer: str = "200 OK"
    headers: tuple[str, ...] = ()
    body: bytes = b"thanks"
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared, it hangs: it takes messages and does not answer."""
    got: list[Message] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=b"

    @property
    def types(self) -> Counter[str]:
        return Counter(message.type for message in self.got)

    async def messages(self, count: int) -> list[Message]:
        """Return what has come once it is so much."""
        await until(lambda: len(self.got) >= count)
        return self.got

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                self.got.append(Message(first.split(" ")[1], headers, body))
                await self.open.wait()
                head = [f"HTTP/1.1 {self.answer}", f"Content-Length: {len(self.body)}", *self.headers, "", ""]
                writer.write("\r\n".join(head).encode() + self.body)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """Run one, by default on a free port."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await receiver.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    receiver = Receiver(server.sockets[0].getsockname()[1])
    receiver.open.set()
    try:
        yield receiver
    finally:
        server.close()
        receiver.open.set()
        for writer in writers:
            writer.close()
