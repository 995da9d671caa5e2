"""Whether memory stays flat: one API and one worker in steady, mixed use.

`python -m benchmarks.api.soak [--seconds 60] [--rate 25]`: jobs are submitted, read and listed, and streams of single
jobs and of the fleet are opened and closed, some of them cut off, for so long. Resident memory is read each half
second; the first third is for warming up, and the slope is of the rest.
"""

import argparse
import asyncio
import json
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import linear_regression, median

import httpx
import psutil
import uvloop

from benchmarks.api.stage import Stage, Stroll, stage

SECONDS = 60.0
RATE_PER_S = 25.0
WARM_UP = 1 / 3
LOOK_S = 0.5
STREAMS = 20
"""Streams that are open at a time."""
REQUEST_S = 10.0
STREAM_S = 3.0
"""Longest life of a stream."""
START_S = 30.0
KIB = 1024


class Use:
    """What users do, until a time; counted by what it is."""

    def __init__(self, client: httpx.AsyncClient, rate_per_s: float, end_s: float) -> None:
        self._client, self._rate_per_s, self._end_s = client, rate_per_s, end_s
        self._jobs: deque[str] = deque(maxlen=500)
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    async def run(self) -> None:
        """Use it until the end."""
        async with asyncio.TaskGroup() as group:
            for share, act in ((1.0, self._submit), (1.0, self._read), (0.2, self._list), (0.1, self._count)):
                group.create_task(self._steadily(self._rate_per_s * share, act))
            for number in range(STREAMS):
                group.create_task(self._steadily(1_000.0, self._follow_fleet if number % 5 == 0 else self._follow_job))

    async def _steadily(self, per_s: float, act: Callable[[], Awaitable[str]]) -> None:
        while (begun_s := time.monotonic()) < self._end_s:
            try:
                async with asyncio.timeout(REQUEST_S):
                    self.done[await act()] += 1
            except (httpx.HTTPError, TimeoutError) as error:
                self.failed[f"{act.__name__.strip('_')}: {type(error).__name__}"] += 1
            await asyncio.sleep(max(0.0, begun_s + 1 / per_s - time.monotonic()))

    async def _submit(self) -> str:
        body = {"params": {"turns": 3, "pause_s": 0.1}, "tags": {"run": str(random.randrange(1_000))}}
        answer = await self._client.post(f"/jobs/{Stroll.kind}", json=body)
        self._jobs.append(answer.raise_for_status().json()["id"])
        return "submitted"

    async def _read(self) -> str:
        if self._jobs:
            (await self._client.get(f"/jobs/{random.choice(self._jobs)}")).raise_for_status()
        return "read"

    async def _list(self) -> str:
        state = random.choice(["queued", "running", "succeeded"])
        (await self._client.get("/jobs", params={"state": state, "limit": 50})).raise_for_status()
        return "listed"

    async def _count(self) -> str:
        (await self._client.get(random.choice(["/queues", "/workers", "/kinds"]))).raise_for_status()
        return "looked at"

    async def _follow_job(self) -> str:
        if not self._jobs:
            await asyncio.sleep(LOOK_S)
            return "followed"
        return await self._follow(f"/jobs/{self._jobs[-1]}/events")

    async def _follow_fleet(self) -> str:
        return await self._follow("/events")

    async def _follow(self, path: str) -> str:
        """Follow to the end, or break it off in the middle."""
        try:
            async with asyncio.timeout(STREAM_S * random.random()), self._client.stream("GET", path) as answer:
                answer.raise_for_status()
                async for _ in answer.aiter_lines():
                    pass
        except TimeoutError:
            return "followed, cut"
        return "followed"


class Memory:
    """The resident memory of a process over time."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._seen: list[tuple[float, int]] = []

    def look(self) -> None:
        """Note how much it is now."""
        self._seen.append((time.monotonic(), self._process.memory_info().rss))

    def told(self) -> str:
        """Return start, middle and end behind the warm-up, and the slope."""
        seen = self._seen[int(len(self._seen) * WARM_UP) :]
        times, sizes = zip(*seen, strict=True)
        part = max(1, len(seen) // 10)
        middle = (len(seen) - part) // 2
        parts = (sizes[:part], sizes[middle : middle + part], sizes[-part:])
        first, between, last = (median(some) / 1e6 for some in parts)
        slope = linear_regression(times, sizes).slope * 60 / KIB
        return f"{first:10.1f}{between:10.1f}{last:10.1f} MB{slope:12,.0f} KiB a minute"


@asynccontextmanager
async def using(at: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client, once a worker has run a job."""
    base, headers = f"http://127.0.0.1:{at.port}/api/v1", {"X-API-Key": at.key}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=base, headers=headers, limits=limits, timeout=REQUEST_S) as client:
        async with asyncio.timeout(START_S):
            body = {"params": {"turns": 1, "pause_s": 0.01}}
            job = (await client.post(f"/jobs/{Stroll.kind}", json=body)).raise_for_status().json()["id"]
            while (await client.get(f"/jobs/{job}?wait=10")).json()["state"] != "succeeded":
                pass
        yield client


async def soaked(seconds: float = SECONDS, rate_per_s: float = RATE_PER_S) -> None:
    """Use a service of its own for so long, and print what memory it took."""
    async with stage() as at, using(at) as client:
        assert at.worker_pid
        use = Use(client, rate_per_s, time.monotonic() + seconds)
        memories = {"API": Memory(at.api_pid), "worker": Memory(at.worker_pid)}
        async with asyncio.timeout(seconds + START_S), asyncio.TaskGroup() as group:
            running = group.create_task(use.run())
            while not running.done():
                for memory in memories.values():
                    memory.look()
                await asyncio.sleep(LOOK_S)
        states = await at.database.fetch("SELECT state, count(*) AS n FROM job GROUP BY 1 ORDER BY 2 DESC")
    show(seconds, use, memories, json.dumps({row["state"]: row["n"] for row in states}))


def show(seconds: float, use: Use, memories: dict[str, Memory], states: str) -> None:
    print(f"{seconds:g} s: " + ", ".join(f"{what} {n:,}" for what, n in sorted(use.done.items())))
    print(f"failed: {dict(use.failed) or 'nothing'}; jobs in the end: {states}")
    print(f"{'':10}{'start':>10}{'middle':>10}{'end':>10}   behind {WARM_UP * seconds:.0f} s of warm-up")
    for name, memory in memories.items():
        print(f"{name:10}{memory.told()}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rate", type=float, default=RATE_PER_S, help="submissions a second")
    given = parser.parse_args()
    uvloop.run(soaked(given.seconds, given.rate))


if __name__ == "__main__":
    main()
