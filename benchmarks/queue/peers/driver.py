"""What all programs of the benchmark share; it runs in each peer's environment too: the standard library and uvloop.

A program is started as `prepare`, `work`, `submit HOW KIND FIRST COUNT` or
`pickup FIRST COUNT`. Every job that runs leaves one
record in a file: its number, the time and the process. The benchmark reads nothing else, so that all count alike.
"""

import asyncio
import json
import os
import random
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import uvloop

RECORD = struct.Struct("qdq")
SLEEP_S = 0.01
CONCURRENCY = 64
BATCH = 500
AT_ONCE = 50
WARM_UP = 10
PICKUPS_S = 15.0
GIVE_UP_S = 20.0

Open = Callable[[], AbstractAsyncContextManager["Submitter"]]


@dataclass(frozen=True, slots=True)
class Submitter:
    """How jobs are submitted: one, and a batch of at most 500; both by the name of the task."""

    one: Callable[[str, int], Awaitable[object]]
    many: Callable[[str, Sequence[int]], Awaitable[object]]


def redis_url() -> str:
    return os.environ["ARQSVC_REDIS_URL"]


def redis_socket() -> str:
    return redis_url().removeprefix("unix://").partition("?")[0]


def database_url() -> str:
    return os.environ["ARQSVC_DATABASE_URL"]


def variant() -> str:
    return os.environ["QUEUE_VARIANT"]


_tally: list[int] = []


def ran(n: int) -> None:
    """Leave the record of a job; appended in one write, so that processes do not mix theirs."""
    if not _tally:
        _tally.append(os.open(os.environ["QUEUE_TALLY"], os.O_WRONLY | os.O_APPEND))
    os.write(_tally[0], RECORD.pack(n, time.time(), os.getpid()))


async def together(one: Callable[[str, int], Awaitable[object]], kind: str, numbers: Sequence[int]) -> None:
    """Submit a batch where the library has no form for one: some at the same time."""

    async def each(mine: Sequence[int]) -> None:
        for n in mine:
            await one(kind, n)

    async with asyncio.TaskGroup() as group:
        for first in range(AT_ONCE):
            group.create_task(each(numbers[first::AT_ONCE]))


async def submit(opened: Open, how: str, kind: str, numbers: range) -> dict[str, float]:
    """Submit, one at a time or in batches; returns jobs per second."""
    async with opened() as submitter:
        start_s = time.perf_counter()
        if how == "one":
            for n in numbers:
                await submitter.one(kind, n)
        else:
            for first in range(0, len(numbers), BATCH):
                await submitter.many(kind, numbers[first : first + BATCH])
        return {"per_s": len(numbers) / (time.perf_counter() - start_s)}


async def pickup(opened: Open, numbers: range) -> dict[str, list[float]]:
    """Submit one after the other, each to an idle worker; returns seconds from the call to the start of the work.

    A record is taken by its number: a job that a queue runs twice must not pass for the next.
    """
    pause, waits_s, tally = random.Random(0), list[float](), Path(os.environ["QUEUE_TALLY"])
    async with opened() as submitter:
        size, end_s = tally.stat().st_size, time.monotonic() + PICKUPS_S
        for n in numbers:
            sent, started = time.time(), 0.0
            await submitter.one("noop", n)
            while not started:
                for number, at, _ in RECORD.iter_unpack(_rest(tally, size)):
                    size += RECORD.size
                    started = started or (at if number == n else 0.0)
                if time.monotonic() > end_s + GIVE_UP_S:
                    return {"waits_s": waits_s[WARM_UP:]}
                await asyncio.sleep(0.0005)
            waits_s.append(started - sent)
            if time.monotonic() > end_s:
                break
            await asyncio.sleep(pause.uniform(0.01, 0.03))
    return {"waits_s": waits_s[WARM_UP:]}


def _rest(tally: Path, start: int) -> bytes:
    """Return the whole records from a place in the file on."""
    with tally.open("rb") as file:
        file.seek(start)
        found = file.read()
    return found[: len(found) // RECORD.size * RECORD.size]


async def nothing() -> None:
    """Prepare nothing."""


def main(opened: Open, work: Callable[[], None], prepare: Callable[[], Awaitable[None]] = nothing) -> None:
    """Do what the command line says, and print what came of it as JSON."""
    match sys.argv[1:]:
        case ["prepare"]:
            uvloop.run(prepare())  # type: ignore[arg-type]
        case ["work"]:
            work()
        case ["submit", how, kind, first, count]:
            print(json.dumps(uvloop.run(submit(opened, how, kind, range(int(first), int(first) + int(count))))))
        case ["pickup", first, count]:
            print(json.dumps(uvloop.run(pickup(opened, range(int(first), int(first) + int(count) + WARM_UP)))))
