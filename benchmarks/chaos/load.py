"""The jobs of a trial, submitted over HTTP: some at once, the others while chaos goes on."""

import asyncio
import time
from collections.abc import Iterator
from uuid import UUID

from arqsvc.client.answers import ApiError
from arqsvc.client.wire import Wire
from arqsvc.errors import CannotStart
from benchmarks.chaos.kinds import as_json, submission
from benchmarks.chaos.plan import Plan
from benchmarks.chaos.stage import Stage

SUBMITTERS = 8
AT_ONCE = 0.2
"""Fraction of the jobs that is submitted at the very beginning."""
AGAIN_S = 0.2


async def submit_all(stage: Stage, plan: Plan, accepted: list[UUID]) -> None:
    """Submit every job until it is accepted; what was answered with 202 is added to `accepted`."""
    began_s = time.monotonic()
    ahead = int(plan.jobs * AT_ONCE)

    def due() -> Iterator[tuple[int, float]]:
        for number in range(plan.jobs):
            yield number, began_s + max(0, number - ahead) * plan.seconds / (plan.jobs - ahead)

    async def submit(client: Wire, jobs: Iterator[tuple[int, float]]) -> None:
        for number, due_s in jobs:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            accepted.append(await _submitted(client, number))

    jobs = due()
    async with Wire(stage.url, stage.key) as client, asyncio.TaskGroup() as group:
        for _ in range(SUBMITTERS):
            group.create_task(submit(client, jobs))


async def _submitted(client: Wire, number: int) -> UUID:
    """Submit a job, again and again while the API is away or cannot write; each time it may have been written."""
    params = submission(number)
    while True:
        try:
            return UUID((await client.submit(params.kind, as_json(params)))["id"])
        except (ApiError, CannotStart):
            await asyncio.sleep(AGAIN_S)
