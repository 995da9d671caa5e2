"""What is measured of a contestant: draining, waiting, submitting."""

import asyncio
import time
from contextlib import AsyncExitStack
from statistics import quantiles

from arqsvc.infra.guarded import Guarded
from benchmarks.queue.stage import LOOK_S, Failed, Stage
from benchmarks.table import Row

DRAIN_S = 12.0
"""Longest time of one drain; of a slower contestant it is said what it did in this time."""
SETTLE_S = 2.0
IDLE_S = 5.0
PICKUPS = 200
ONE_AT_A_TIME = 1000


async def drains(stage: Stage, jobs: int) -> Row:
    """No-op jobs by one worker, 10 ms jobs by one, no-op jobs by two."""
    row: Row = {}
    running: list[Guarded] = []
    async with AsyncExitStack() as stack:
        for name, kind, count in (("drain", "noop", 1), ("sleep", "sleep", 1), ("two", "noop", 2)):
            await stage.workers(stack, running, count)
            for column, value in (await _drain(stage, running, kind, jobs // stage.contestant.jobs_divisor)).items():
                row[f"{name} {column}"] = value
    return row


async def _drain(stage: Stage, workers: list[Guarded], kind: str, jobs: int) -> Row:
    """From a full queue to the last job, in the ledger too where there is one."""
    before, first = stage.ran(), next(stage.numbers)
    with stage.suspended(workers):
        await stage.program("submit", "many", kind, first, jobs)
        used = stage.cpu_s(workers)
    start_s, end_s = time.time(), time.monotonic() + DRAIN_S
    while stage.ran() - before < jobs or stage.done(before, first) < jobs:  # the first is cheap, the second is sure
        if time.monotonic() > end_s:
            break
        await asyncio.sleep(LOOK_S)
    done = stage.done(before, first)
    stop_s = time.time() if done < jobs else max(at for _, at, _ in stage.records(before))
    if done == jobs and stage.ledger:
        await stage.ended(end_s)
        stop_s = time.time()
    cpu = [(after - begin) / done * 1e6 for after, begin in zip(stage.cpu_s(workers), used, strict=True)]
    if done < jobs:
        end_s = time.monotonic() + 6 * DRAIN_S
        await stage.until(lambda: stage.done(before, first) >= jobs, end_s, "the queue is never empty")
    return {"jobs/s": done / (stop_s - start_s), **dict(zip(("worker us", "Redis us", "PG us"), cpu, strict=True))}


async def waits(stage: Stage, jobs: int) -> Row:
    """An idle worker, how soon it begins what comes, and how fast jobs can be submitted without one."""
    row: Row = {}
    async with AsyncExitStack() as stack:
        environment = await stage.served(stack)
        async with AsyncExitStack() as working:
            running: list[Guarded] = []
            await stage.workers(working, running, 1)
            row |= await _idle(stage, running)
            found = await stage.program("pickup", next(stage.numbers), PICKUPS, **environment)
            if len(found["waits_s"]) < 2:
                raise Failed("the worker does not pick up what is submitted")
            if min(found["waits_s"]) < 0:
                raise Failed("work began before it was submitted: the pickup is not measured rightly")
            cuts = quantiles((wait_s * 1000 for wait_s in found["waits_s"]), n=100)
            row |= {"pickup p50 ms": cuts[49], "pickup p99 ms": cuts[98], "pickups": len(found["waits_s"])}
        row["one/s"] = await _submit(stage, "one", min(jobs, ONE_AT_A_TIME))
        row["batch/s"] = await _submit(stage, "many", jobs)
        if environment:
            row["POST/s"] = await _submit(stage, "one", min(jobs, ONE_AT_A_TIME), **environment)
    return row


async def _idle(stage: Stage, running: list[Guarded]) -> Row:
    await asyncio.sleep(SETTLE_S)
    used, commands, start_s = stage.cpu_s(running), await stage.commands(), time.monotonic()
    await asyncio.sleep(IDLE_S)
    after, more, took_s = stage.cpu_s(running), await stage.commands(), time.monotonic() - start_s
    return {"idle worker %": (after[0] - used[0]) / took_s * 100, "idle commands/s": (more - commands - 1) / took_s}


async def _submit(stage: Stage, how: str, count: int, **environment: str) -> float:
    said = await stage.program("submit", how, "noop", next(stage.numbers), count, **environment)
    return float(said["per_s"])
