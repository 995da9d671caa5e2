"""What a submission costs: POST /jobs/{kind} with the ledger on, beside a bare route and beside Celery behind the same.

`python -m benchmarks.api.submits [--connections 8,32] [--seconds 4] [--rounds 3] [--cache FOLDER]`: each contestant
is a process of its own on fresh servers, asked over kept connections by another process; no worker runs. The bare
route (`bare.py`) validates the same body and answers 202; it and Celery run in an environment of their own, with the
versions named here, kept in the cache folder or made anew. All on uvloop and httptools.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Any

import uvloop

from arqsvc.infra.guarded import guarded
from benchmarks.api.stage import GRACE_S, START_S, Stroll, pid_of, stage, until
from benchmarks.queue.stage import Contestant, Failed, cpu_s, family, python_of
from benchmarks.table import Row, show_table, spread
from tests import servers

BARE = Path(__file__).with_name("bare.py")
REQUIREMENTS = (
    "celery[redis]==5.7.0", "redis==8.1.0", "hiredis==3.5.0", "starlette==1.10.0", "uvicorn==0.54.0",
    "httptools==0.9.0", "uvloop==0.23.0", "pydantic==2.14.3",
)  # fmt: skip
WARM_S = 1.0
SECONDS = 4.0
ROUNDS = 3
CONNECTIONS = (8, 32)
LIMIT_S = 60.0
BATCH = 500
PARAMS = {"turns": 1, "pause_s": 0.01}
TABLES = (
    ("requests a second, and how long an answer takes", ("requests/s", "p50 ms", "p99 ms")),
    ("jobs a second, and the CPU of a job in microseconds: of the API, of the servers behind it",
     ("jobs/s", "API us", "servers us")),
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """What is asked."""

    port: int
    request: str
    status: int
    """Of a good answer."""
    jobs: int
    """That one request submits."""
    pid: int
    server_pids: Sequence[int]
    """Of the Redis and the PostgreSQL behind it."""


@dataclass(frozen=True)
class Way:
    """One way to submit."""

    name: str
    how: str = ""
    """Of the bare route; empty for ours."""
    log_level: str = "WARNING"
    batch: int = 0

    def opened(self, python: Path) -> AbstractAsyncContextManager[Target]:
        """Serve it for a block."""
        return bare(python, self.how) if self.how else ours(self.log_level, self.batch)


WAYS = (
    Way("bare route", "nothing"),
    Way("Celery's delay in the route", "delay"),
    Way("Celery's delay in a thread", "thread"),
    Way("ours"),
    Way("ours, a log line a job", log_level="INFO"),
    Way(f"ours, batches of {BATCH}", batch=BATCH),
)


@asynccontextmanager
async def bare(python: Path, how: str) -> AsyncIterator[Target]:
    with tempfile.TemporaryDirectory(prefix="arqsvc-bare-") as name:
        folder, address = Path(name), Path(name) / "address"
        async with servers.redis(folder / "redis") as url:
            socket = url.removeprefix("unix://").partition("?")[0]
            async with guarded(
                [python, BARE, str(address), how], stop_signal=SIGTERM, grace_s=GRACE_S, env={"BARE_REDIS": socket}
            ) as process:
                await until(address.exists, START_S, "the bare route does not start")
                port = json.loads(address.read_text())
                request = posted("/jobs/bench.stroll", {"params": PARAMS}, "")
                behind = [] if how == "nothing" else [await pid_of(url)]
                yield Target(port, request, 202, 1, process.pid, behind)


@asynccontextmanager
async def ours(log_level: str, batch: int) -> AsyncIterator[Target]:
    async with stage(working=False, log_level=log_level) as at:
        path, body = f"/jobs/{Stroll.kind}", dict[str, Any](params=PARAMS)
        if batch:
            path, body = "/jobs", {"jobs": [{"kind": Stroll.kind, "params": PARAMS}] * batch}
        request = posted(path, body, f"X-API-Key: {at.key}\r\n")
        yield Target(at.port, request, 200 if batch else 202, batch or 1, at.api_pid, at.server_pids)


def posted(path: str, body: object, headers: str) -> str:
    text = json.dumps(body)
    return (
        f"POST /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Type: application/json\r\n"
        f"Content-Length: {len(text)}\r\n\r\n{text}"
    )


async def asked(target: Target, connections: int, seconds: float) -> Row:
    """Ask over so many connections for so long, and return what it took."""
    loader = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.api.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert loader.stdin
    assert loader.stdout
    try:
        async with asyncio.timeout(LIMIT_S + seconds):
            loader.stdin.write(json.dumps({
                "port": target.port, "request": target.request, "connections": connections,
                "warm_s": WARM_S, "seconds": seconds, "status": target.status,
            }).encode())  # fmt: skip
            loader.stdin.close()
            await loader.stdout.readline()
            before, begin_s = used_s(target), time.monotonic()
            await loader.stdout.readline()
            used = [after - at for after, at in zip(used_s(target), before, strict=True)]
            took_s = time.monotonic() - begin_s
            found = json.loads(await loader.stdout.readline() or "{}")
            await loader.wait()
    finally:
        if loader.returncode is None:
            loader.kill()
            await loader.wait()
    if not found or not found["answers"] or found["good"] < found["answers"] or found["broken"]:
        raise Failed(f"not each request got its answer: {found}")
    jobs_per_s = found["per_s"] * target.jobs
    row = {
        "requests/s": found["per_s"], "p50 ms": found["p50_s"] * 1e3, "p99 ms": found["p99_s"] * 1e3,
        "jobs/s": jobs_per_s, "API us": used[0] / (jobs_per_s * took_s) * 1e6,
        "loader": found["cpu"], "API": used[0] / took_s,
    }  # fmt: skip
    return {**row, "servers us": used[1] / (jobs_per_s * took_s) * 1e6} if target.server_pids else row


def used_s(target: Target) -> tuple[float, float]:
    """Return the CPU seconds of the API, and of the servers behind it."""
    return cpu_s(family(target.pid)), sum(cpu_s(family(pid)) for pid in target.server_pids)


async def tried(way: Way, python: Path, connections: Sequence[int], seconds: float) -> dict[int, Row]:
    """Measure one way, on fresh servers, over each number of connections."""
    async with way.opened(python) as target:
        return {many: await asked(target, many, seconds) for many in connections}


def submitted(
    connections: Sequence[int] = CONNECTIONS, seconds: float = SECONDS, rounds: int = ROUNDS, cache: Path | None = None
) -> None:
    """Measure all in turns, and print the tables."""
    found: dict[int, dict[str, list[Row]]] = {many: {} for many in connections}
    with tempfile.TemporaryDirectory() as fresh:
        peer = Contestant("Celery", (str(BARE),), requirements=REQUIREMENTS)
        python = python_of(peer, (cache or Path(fresh)).absolute())
        for number in range(rounds):
            for way in WAYS:
                print(f"\rround {number + 1}: {way.name:40}", end="", file=sys.stderr, flush=True)
                try:
                    rows = uvloop.run(tried(way, python, connections, seconds))
                except (Failed, TimeoutError) as error:
                    print(f"\n{way.name}: {error or 'it takes too long'}", flush=True)
                else:
                    for many, row in rows.items():
                        found[many].setdefault(way.name, []).append(row)
    print(file=sys.stderr)
    print(f"{rounds} rounds of {seconds:g} s each; median (least to most), x of the bare route")
    print(f"peers: {' '.join(REQUIREMENTS)}")
    for many, by_name in found.items():
        show(many, {name: spread(some) for name, some in by_name.items()})


def show(connections: int, rows: dict[str, Row]) -> None:
    for title, columns in TABLES:
        show_table(f"over {connections} connections: {title}", rows, columns)
    print("cores used by the API and by the load generator: " + "; ".join(
        f"{name} {row['API']:.2f}, {row['loader']:.2f}" for name, row in rows.items()
    ))  # fmt: skip


def numbers(text: str) -> list[int]:
    """Return the numbers of `8,32`."""
    return [int(each) for each in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api.submits", description=__doc__)
    parser.add_argument("--connections", type=numbers, default=CONNECTIONS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--cache", type=Path)
    given = parser.parse_args()
    submitted(given.connections, given.seconds, given.rounds, given.cache)


if __name__ == "__main__":
    main()
