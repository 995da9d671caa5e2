"""Thousands of streams on one API process: is every change delivered, how late, and what memory does a stream take.

`python -m benchmarks.api.streams [--streams 5000] [--jobs 200]`: each stream follows one of the jobs by SSE. The jobs
wait until all streams are open; then they come due over some seconds, each going through three changes of state, with
progress between them. A change is as late as the time from its row's `at` (the database's clock, at the beginning of
its transaction) until a reader in another process has it.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence

import psutil
import uvloop

from arqsvc.infra.db import open_db
from arqsvc.infra.redis import open_redis
from arqsvc.jobs.new import Options
from arqsvc.jobs.queue import JobQueue
from benchmarks.api.stage import PROJECT, Stage, Stroll, stage

STREAMS = 5_000
JOBS = 200
LATER_S = 3_600.0
SPREAD_S = 15.0
OPEN_S = 60.0
LIMIT_S = 110.0
CHANGES = 4
"""Of one job: scheduled, queued, running, succeeded."""


async def submitted(at: Stage, jobs: int) -> list[str]:
    async with open_db(at.database_url), open_redis(at.redis_url) as redis:
        batch = [Stroll(turns=3, pause_s=0.3) for _ in range(jobs)]
        ids = await JobQueue(redis).submit_all(batch, project=PROJECT, options=Options(delay_s=LATER_S))
    return list(map(str, ids))


async def measured(at: Stage, streams: int, jobs: Sequence[str]) -> None:
    api = psutil.Process(at.api_pid)
    before, began = api.memory_info().rss, time.monotonic()
    command = [
        "-m", "benchmarks.api.readers", str(at.port), at.key, ",".join(jobs), str(streams), str(LIMIT_S - 15),
    ]  # fmt: skip
    readers = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    assert readers.stdout
    try:
        if await readers.stdout.readline() != b"open\n":
            raise SystemExit("not all streams could be opened")
        opened_s, opened = time.monotonic() - began, api.memory_info().rss
        cpu_s, began = sum(api.cpu_times()[:2]), time.monotonic()
        await at.database.execute(
            "UPDATE job SET due_at = now() + random() * make_interval(secs => $1) WHERE state = 'scheduled'", SPREAD_S
        )
        told = json.loads(await readers.stdout.readline())
        busy = (sum(api.cpu_times()[:2]) - cpu_s) / (time.monotonic() - began)
        after = api.memory_info().rss
        await readers.wait()
    finally:
        if readers.returncode is None:
            readers.kill()
            await readers.wait()
    expected = CHANGES * streams
    print(f"{streams:,} streams follow {len(jobs)} jobs; opened in {opened_s:.1f} s ({streams / opened_s:,.0f}/s)")
    print(f"changes delivered   {told['state']:,} of {expected:,}, out of place {told['faults']}")
    print(f"streams ended       {told['ends']:,} of {streams:,}; pieces of progress {told['progress']:,}")
    print(f"row to reader       p50 {told['p50_s'] * 1e3:.1f} ms, p99 {told['p99_s'] * 1e3:.1f} ms, "
          f"most {told['max_s'] * 1e3:.1f} ms of {told['live']:,}")  # fmt: skip
    print(f"memory of the API   {before / 1e6:.0f} MB before, {opened / 1e6:.0f} MB with all open, "
          f"{after / 1e6:.0f} MB after: {(opened - before) / streams / 1e3:.1f} kB a stream")  # fmt: skip
    print(f"CPU of the API      {busy:.0%} of a core while the jobs ran; machine's load {psutil.getloadavg()[0]:.1f}")


async def followed(streams: int = STREAMS, jobs: int = JOBS) -> None:
    """Measure on a service of its own, and print what came of it."""
    async with asyncio.timeout(LIMIT_S), stage() as at:
        await measured(at, streams, await submitted(at, jobs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=STREAMS)
    parser.add_argument("--jobs", type=int, default=JOBS)
    asked = parser.parse_args()
    uvloop.run(followed(asked.streams, asked.jobs))


if __name__ == "__main__":
    main()
