"""A way to a server, over loopback TCP, that can be cut: broken, or deaf in one direction while nothing is closed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path

CHUNK_BYTES = 65536


class Direction(StrEnum):
    """Where bytes go."""

    THERE = "to the server"
    BACK = "from the server"


class Link:
    """Carries connections from a port of its own to the unix socket of a server."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._deaf: Direction | None = None
        self._unending = False
        self._healed = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Take connections for the block."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            try:
                yield
            finally:
                server.close()
                self._healed.set()
                self.break_all()

    def break_all(self) -> None:
        """Reset every connection."""
        for writer in list(self._open):
            writer.transport.abort()

    @contextmanager
    def deaf(self, direction: Direction) -> Iterator[None]:
        """Swallow for the block what goes in one direction, the end of a connection included.

        A connection that has lost bytes so stays deaf when the block has ended; a new one is whole.
        """
        self._deaf = direction
        self._healed.clear()
        try:
            yield
        finally:
            self._deaf = None
            self._healed.set()

    @contextmanager
    def unending(self) -> Iterator[None]:
        """Hide for the block that the server ends a connection; what it says before arrives."""
        self._unending = True
        self._healed.clear()
        try:
            yield
        finally:
            self._unending = False
            self._healed.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        except OSError:  # the server is away
            self._open.discard(writer)
            writer.close()
            return
        self._open.add(server_writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, server_writer, Direction.THERE))
                group.create_task(self._carry(server_reader, writer, Direction.BACK))
        finally:
            self._open -= {writer, server_writer}

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, direction: Direction) -> None:
        lost = False
        try:
            while data := await source.read(CHUNK_BYTES):
                lost = lost or self._deaf == direction
                if not lost:
                    target.write(data)
                    await target.drain()
        except OSError:
            pass  # reset by one of its ends
        if self._deaf == direction or (self._unending and direction == Direction.BACK):
            await self._healed.wait()
        target.close()
