"""10,000 changes told over connections that are cut again and again: how many are missing, how many come twice.

`python -m benchmarks.api.cuts [--jobs 3400]`: jobs run, each with three changes of state. Followers come through a
relay that breaks each connection after a random time, often in the middle of an event, and take up each stream behind
the last event that they have whole: of the fleet by SSE and by WebSocket, and of single jobs by SSE. What each has
heard is compared with the rows.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from arqsvc.infra.db import open_db
from arqsvc.infra.redis import open_redis
from arqsvc.jobs.queue import JobQueue
from benchmarks.api.stage import PROJECT, Stage, Stroll, stage

JOBS = 3_400
LIFE_S = 0.25
"""Mean life of a connection."""
LIMIT_S = 110.0
LISTEN_S = 80.0
FLEET = 3
"""Followers of the fleet on each transport."""
SINGLE = 40
"""Jobs that are followed alone."""
BATCH = 50
PAUSE_S = 0.15
CHUNK_BYTES = 4_096


class Relay:
    """Carries connections to a port, each for a while."""

    def __init__(self, port: int) -> None:
        self._port, self.port, self.cuts = port, 0, 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Take connections for the block."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        life_s = random.expovariate(1 / LIFE_S)
        try:
            async with asyncio.timeout(life_s), asyncio.TaskGroup() as group:
                group.create_task(_carry(reader, back))
                group.create_task(_carry(there, writer))
        except TimeoutError:
            self.cuts += 1
        finally:
            for each in (writer, back):
                each.transport.abort()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError, RuntimeError):  # uvloop's word for a transport that is closed
        while data := await source.read(random.randint(1, CHUNK_BYTES)):  # so that a cut falls inside of an event
            target.write(data)
            await target.drain()
        target.close()


@dataclass
class Heard:
    """What one follower has heard."""

    changes: list[tuple[str, int]] = field(default_factory=list)
    last: str = ""
    streams: int = 0
    resets: int = 0
    done: bool = False

    def take(self, event: dict[str, Any], id_: str | None) -> None:
        """Note an event, with its place in the stream."""
        self.last = id_ or self.last
        self.resets += event["type"] == "reset"
        if event["type"] == "state":
            self.changes.append((event["job_id"], int(event["id"])))


async def by_sse(relay: Relay, key: str, path: str, heard: Heard) -> None:
    """Follow until the connection breaks or the stream ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    try:
        place = f"Last-Event-ID: {heard.last}\r\n" if heard.last else ""
        writer.write(f"GET /api/v1{path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n{place}\r\n".encode())
        fields: dict[str, str] = {}
        while (line := (await reader.readline()).decode()).endswith("\n"):
            name, _, value = line.rstrip("\r\n").partition(": ")
            if name in {"id", "data"}:
                fields[name] = value
            elif not name and "data" in fields:
                heard.take(json.loads(fields["data"]), fields.get("id"))
                fields = {}
            elif line.startswith(("HTTP/1.1 204", "0\r")):
                heard.done = True
    finally:
        writer.transport.abort()


async def by_websocket(relay: Relay, key: str, path: str, heard: Heard) -> None:
    """Follow the fleet until the connection breaks."""
    url = f"ws://127.0.0.1:{relay.port}/api/v1{path.partition('?')[0]}"
    async with connect(url, additional_headers={"X-API-Key": key}, proxy=None, open_timeout=5) as socket:
        await socket.send(json.dumps({"filter": {}, "after": heard.last or "0-0"}))
        async for message in socket:
            event = json.loads(message)
            heard.take(event, event["cursor"])


Follow = Callable[[Relay, str, str, Heard], Awaitable[None]]


async def follow(way: Follow, relay: Relay, key: str, path: str, heard: Heard, whole: int) -> None:
    """Follow until so many changes were heard, over as many connections as it takes."""
    while not heard.done and len(set(heard.changes)) < whole:
        heard.streams += 1
        with suppress(OSError, WebSocketException, EOFError, TimeoutError):
            async with asyncio.timeout(10 * LIFE_S):
                await way(relay, key, path, heard)


async def submit(at: Stage, number: int) -> list[str]:
    ids: list[str] = []
    async with open_db(at.database_url), open_redis(at.redis_url) as redis:
        queue = JobQueue(redis)
        while len(ids) < number:
            batch = [Stroll(turns=1, pause_s=0.01) for _ in range(min(BATCH, number - len(ids)))]
            ids += map(str, await queue.submit_all(batch, project=PROJECT))
            await asyncio.sleep(PAUSE_S)
    return ids


async def run(at: Stage, jobs: int) -> None:
    relay, began = Relay(at.port), time.monotonic()
    fleet = [(way, Heard()) for way in (by_sse, by_websocket) for _ in range(FLEET)]
    singles: list[Heard] = []
    async with relay.listening():
        with suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_S), asyncio.TaskGroup() as group:
                for way, heard in fleet:
                    group.create_task(follow(way, relay, at.key, "/events?after=0-0", heard, 3 * jobs))
                ids = await submit(at, jobs)
                for job in random.sample(ids, min(SINGLE, jobs)):
                    singles.append(Heard())
                    group.create_task(follow(by_sse, relay, at.key, f"/jobs/{job}/events", singles[-1], 3))
    rows = await at.database.fetch("SELECT job_id, seq FROM job_event ORDER BY tx, id")
    told = [(str(row["job_id"]), row["seq"]) for row in rows]
    print(f"{len(told):,} changes of {jobs:,} jobs in {time.monotonic() - began:.0f} s; {relay.cuts:,} connections cut")
    for name, heards in (
        ("the fleet by SSE", [heard for way, heard in fleet if way is by_sse]),
        ("the fleet by WebSocket", [heard for way, heard in fleet if way is by_websocket]),
    ):
        report(name, [(heard, told) for heard in heards])
    report(
        "single jobs by SSE", [(heard, [each for each in told if each[0] == heard.changes[0][0]]) for heard in singles]
    )


def report(name: str, followers: Sequence[tuple[Heard, list[tuple[str, int]]]]) -> None:
    events = sum(len(heard.changes) for heard, _ in followers)
    gaps = sum(len(set(told) - set(heard.changes)) for heard, told in followers)
    doubles = sum(len(heard.changes) - len(set(heard.changes)) for heard, _ in followers)
    ordered = sum(heard.changes == told for heard, told in followers)
    streams, resets = sum(heard.streams for heard, _ in followers), sum(heard.resets for heard, _ in followers)
    print(f"{name:<24}{events:>8,} events over {streams:,} connections: {gaps} gaps, {doubles} doubles, "
          f"{resets} resets; {ordered} of {len(followers)} heard all in the rows' order")  # fmt: skip


async def cut(jobs: int = JOBS) -> None:
    """Follow on a service of its own, and print what came of it."""
    async with asyncio.timeout(LIMIT_S), stage() as at:
        await run(at, jobs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS)
    uvloop.run(cut(parser.parse_args().jobs))


if __name__ == "__main__":
    main()
