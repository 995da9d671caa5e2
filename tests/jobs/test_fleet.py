"""The story of the fleet keeps nothing of jobs that have ended, however late somebody speaks of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from uuid6 import uuid7

from arqsvc.infra.db import open_db
from arqsvc.jobs import ledger
from arqsvc.jobs.filters import Filter
from arqsvc.jobs.fleet import Fleet
from arqsvc.jobs.ledger import Ended, Ending
from arqsvc.jobs.new import NewJob, insert
from arqsvc.jobs.outbox import Closed, Outbox
from arqsvc.jobs.record import State
from arqsvc.jobs.snapshot import Wanted

DONE = Ending("succeeded", State.SUCCEEDED)
PROGRESS = {"step": "count", "fraction": 0.5, "done": 1, "total": 2, "unit": None, "n": 1, "at": "2026-01-01T00:00:00Z"}


@pytest.fixture(autouse=True)
async def database(database_url: str) -> AsyncIterator[None]:
    async with open_db(database_url):
        yield


@asynccontextmanager
async def following(fleet: Fleet) -> AsyncIterator[Outbox]:
    outbox = Outbox(single=False)
    await fleet.join(outbox, Wanted("p", Filter()), None)
    yield outbox
    fleet.leave(outbox)
    outbox.close(Closed.STOPPED)


async def started() -> tuple[UUID, int]:
    """Begin a job; returns its id and `seq`."""
    new = NewJob(id=uuid7(), project="p", kind="test.note", queue="test", params={}, tags={"run": "1"})
    (written,) = await insert([new])
    (claimed,) = await ledger.start([(written.id, written.dispatch)], "worker", 10)
    return claimed.id, claimed.seq


async def end(job: UUID) -> int:
    (moved,) = await ledger.finish([Ended(job, 1, DONE)])
    return moved.seq


async def told(outbox: Outbox, job: UUID, state: str) -> None:
    """Return once the outbox was told that a job came to a state, or of its progress."""
    while events := await outbox.take():
        if any(each.job_id == job and state in {each.type, each.data.get("state")} for each in events):
            return


async def test_progress_that_comes_behind_the_end_of_its_job_is_forgotten_with_it() -> None:
    fleet = Fleet()
    running = asyncio.create_task(fleet.run())
    async with asyncio.timeout(20), following(fleet) as outbox:
        for _ in range(3):
            job, seq = await started()
            fleet.heard(job, seq, PROGRESS)
            await told(outbox, job, "progress")
            newest = await end(job)
            fleet.heard(job, newest, None)
            await told(outbox, job, "succeeded")
            fleet.heard(job, seq, PROGRESS)
        runs, seq = await started()
        fleet.heard(runs, seq, PROGRESS)
        await told(outbox, runs, "progress")
        assert fleet.known == 1
    async with asyncio.timeout(20), following(fleet) as outbox:
        await end(runs)  # while nobody followed
        fleet.heard(runs, seq, PROGRESS)
        last, seq = await started()
        fleet.heard(last, seq, PROGRESS)
        await told(outbox, last, "progress")
        assert fleet.known == 1
    running.cancel()
