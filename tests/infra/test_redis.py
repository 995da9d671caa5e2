"""Redis: an old one is refused in words."""

import asyncio

import pytest

from arqsvc.errors import CannotStart
from arqsvc.infra.redis import open_redis


async def answer_as_an_old_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say +OK to all, but to INFO the version 6.2."""
    while line := await reader.readline():
        if line.startswith(b"*"):
            words = []
            for _ in range(int(line[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2])
            info = b"redis_version:6.2.14\r\n"
            writer.write(b"$%d\r\n%s\r\n" % (len(info), info) if words[0] == b"INFO" else b"+OK\r\n")
    writer.close()


async def test_a_redis_that_is_too_old_is_refused() -> None:
    server = await asyncio.start_server(answer_as_an_old_one, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(CannotStart, match=r"Redis is version 6\.2\.14; version 7 or newer, or Valkey, is needed\."):
            async with open_redis(f"redis://127.0.0.1:{port}"):
                pass
