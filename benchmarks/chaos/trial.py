"""One trial: jobs, disturbances, then quiet, and the verdict."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from arqsvc.infra.db import connect
from benchmarks.chaos.disturbances import Disturber
from benchmarks.chaos.load import submit_all
from benchmarks.chaos.plan import Plan, schedule
from benchmarks.chaos.stage import Stage, open_stage
from benchmarks.chaos.verdict import UNENDED, Verdict, reach_verdict, silent, unexpected

logger = logging.getLogger(__name__)

LOOK_S = 0.25
START_S = 30.0
"""Longest time of the start of a worker."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial."""

    verdict: Verdict
    happened: Mapping[str, int]
    """How often each disturbance came to pass."""
    exits: Mapping[int, int]
    """Exit codes of processes that ended by themselves, and how many."""
    chaos_s: float
    """From the first job to the end of the last disturbance and submission."""
    quiet_s: float
    """From then to the end of the last job."""


async def tried(plan: Plan, folder: Path) -> Outcome:
    """Return what came of a trial with its files in an empty folder."""
    accepted: list[UUID] = []
    async with open_stage(folder, plan) as stage:
        disturber = Disturber(stage, plan)
        async with asyncio.timeout(START_S):
            await _all_heard(stage)
        began_s = time.monotonic()
        with suppress(TimeoutError):  # what could not be submitted within this time was not accepted
            async with asyncio.timeout(plan.seconds + plan.lasting_s + plan.settle_s), asyncio.TaskGroup() as group:
                group.create_task(submit_all(stage, plan, accepted))
                group.create_task(disturber.run(schedule(plan)))
        quiet_since_s = time.monotonic()
        ledger = await connect(stage.database.url)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(plan.settle_s):
                    await _all_ended(ledger)
            quiet_s = time.monotonic() - quiet_since_s
            with suppress(TimeoutError):
                async with asyncio.timeout(plan.lease_s + START_S):
                    await _all_heard(stage)
            verdict = await reach_verdict(ledger, accepted, disturber)
        finally:
            await ledger.close()
        exits = _exits(stage)
    return Outcome(verdict, disturber.happened, exits, quiet_since_s - began_s, quiet_s)


async def _all_ended(ledger: asyncpg.Connection) -> None:
    """Return once every job in the ledger has ended."""
    while unended := await ledger.fetchval(UNENDED):
        logger.info("jobs have not ended", extra={"jobs": unended})
        await asyncio.sleep(LOOK_S)


async def _all_heard(stage: Stage) -> None:
    """Return once every worker says that it lives: one may just have been started."""
    ledger = await connect(stage.database.url)
    try:
        while await silent(ledger, stage):  # noqa: ASYNC110 - a row says it
            await asyncio.sleep(LOOK_S)
    finally:
        await ledger.close()


def _exits(stage: Stage) -> Counter[int]:
    return unexpected(code for kept in (stage.api, *stage.workers) for code in kept.exit_codes)
