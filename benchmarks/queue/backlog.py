"""Whether a long queue or a long history slows a worker down, and what a queued job takes.

    python -m benchmarks.queue.backlog [--queued N] [--finished N] [--drain N] [--rounds N]

One worker as `arqsvc` runs it drains the same number of no-op jobs of an empty service, of one with many jobs queued,
and of one with many jobs finished; each on fresh servers, taking turns.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGTERM
from statistics import median

import psutil
from redis.asyncio import Redis
from uuid6 import uuid7

from arqsvc.infra.db import connect, migrate, open_db
from arqsvc.infra.embedded import embedded_postgres, embedded_redis
from arqsvc.infra.guarded import guarded
from arqsvc.infra.redis import open_redis
from arqsvc.infra.state import runtime_folder
from arqsvc.jobs.new import NewJob, insert
from arqsvc.jobs.queue import JobQueue
from benchmarks.queue.ours import QUEUE, Noop

BATCH = 1000
HISTORY = """INSERT INTO job (id, project, kind, queue, state, params, result, tries, failures, losses, attempt,
    dispatch, seq, created_at, queued_at, started_at, finished_at)
SELECT gen_random_uuid(), 'bench', 'bench.noop', 'bench', 'succeeded', '{"n": 1}', '{"n": 1}', 3, 0, 0, 1, 1, 3,
    now(), now(), now(), now() FROM generate_series(1, $1)"""
DONE = "SELECT count(*) FROM job WHERE state = 'succeeded' AND project = 'drained'"


@asynccontextmanager
async def service() -> AsyncIterator[dict[str, str]]:
    """Run fresh servers for the block; yields the environment of what uses them."""
    with tempfile.TemporaryDirectory() as folder, runtime_folder(Path(folder), None) as runtime:
        async with embedded_postgres(Path(folder), runtime) as postgres, embedded_redis(Path(folder), runtime) as redis:
            await migrate(postgres.url)
            (Path(folder) / "tally").touch()
            yield {
                **os.environ, "ARQSVC_DATABASE_URL": postgres.url, "ARQSVC_REDIS_URL": redis.url,
                "ARQSVC_STATE_DIR": f"{folder}/state", "ARQSVC_CONCURRENCY": "64", "ARQSVC_LOG_LEVEL": "WARNING",
                "QUEUE_TALLY": f"{folder}/tally",
            }  # fmt: skip


async def fill(queue: JobQueue, number: int, project: str) -> None:
    """Queue so many jobs, as a submitter does it in batches."""
    for first in range(0, number, BATCH):
        count = min(BATCH, number - first)
        new = [NewJob(id=uuid7(), project=project, kind=Noop.kind, queue=QUEUE, params={"n": n}) for n in range(count)]
        await queue.deliver(await insert(new))


async def drained(queued: int, finished: int, drain: int) -> dict[str, float]:
    """Return jobs a second and CPU a job of a worker behind so much, and what a queued job takes."""
    found: dict[str, float] = {}
    async with service() as environment:
        database, url = environment["ARQSVC_DATABASE_URL"], environment["ARQSVC_REDIS_URL"]
        async with open_db(database), open_redis(url) as redis:
            control = await connect(database)
            if finished:
                await control.execute(HISTORY, finished, timeout=600)
            await fill(JobQueue(redis), drain, "drained")
            empty_bytes, table_bytes = await used_bytes(redis), await control.fetchval(SIZE)
            start_s = time.monotonic()
            await fill(JobQueue(redis), queued, "behind")
            if queued:
                found["queued jobs/s"] = queued / (time.monotonic() - start_s)
                found["Redis bytes/job"] = (await used_bytes(redis) - empty_bytes) / queued
                found["PG bytes/job"] = (await control.fetchval(SIZE) - table_bytes) / queued
            command = [sys.executable, "-m", "benchmarks.queue.ours", "work"]
            async with guarded(command, stop_signal=SIGTERM, grace_s=60, env=environment) as worker:
                while not await control.fetchval(DONE):  # noqa: ASYNC110 - what another process does
                    await asyncio.sleep(0.005)
                process, start_s = psutil.Process(worker.pid), time.monotonic()
                used_s, before = process.cpu_times(), await control.fetchval(DONE)
                while await control.fetchval(DONE) < drain:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                done, after_s = drain - before, process.cpu_times()
                found["drain jobs/s"] = done / (time.monotonic() - start_s)
                cpu_s = after_s.user + after_s.system - used_s.user - used_s.system
                found["worker us/job"] = cpu_s / done * 1e6
            await control.close()
    return found


SIZE = "SELECT pg_total_relation_size('job') + pg_total_relation_size('job_event')"


async def used_bytes(redis: Redis) -> int:
    """Return the memory that Redis uses, in bytes."""
    return int((await redis.info("memory"))["used_memory"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue.backlog", description="Long queues, long pasts.")
    parser.add_argument("--queued", type=int, default=1_000_000, help="jobs that stand behind (default: 1,000,000)")
    parser.add_argument("--finished", type=int, default=1_000_000, help="jobs that ended before (default: 1,000,000)")
    parser.add_argument("--drain", type=int, default=10_000, help="jobs that are measured (default: 10,000)")
    parser.add_argument("--rounds", type=int, default=1, help="how often (default: 1)")
    given = parser.parse_args()
    cases = {"nothing else": (0, 0), "queued behind": (given.queued, 0), "finished before": (0, given.finished)}
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
    for _ in range(given.rounds):
        for name, (queued, finished) in cases.items():
            rows[name].append(asyncio.run(drained(queued, finished, given.drain)))
    for name, found in rows.items():
        columns = "  ".join(f"{column} {median(row[column] for row in found):,.0f}" for column in found[0])
        print(f"{name:16} {columns}")


if __name__ == "__main__":
    main()
