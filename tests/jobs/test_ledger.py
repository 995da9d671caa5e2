"""What the ledger does with many jobs in one statement."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from arqsvc.infra.db import connect, open_db
from arqsvc.jobs import ledger
from arqsvc.jobs.record import State
from tests.jobs.ledger_model import DEAD, End, Job
from tests.jobs.ledger_steps import LEASE_S, begin, ended, insert, let

COUNT = 150
SLOW = """ALTER TABLE worker RENAME TO worker_row;
CREATE VIEW worker AS SELECT * FROM worker_row WHERE pg_sleep(0.5) IS NOT NULL"""
SLEEPS = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database())"


@pytest.fixture(autouse=True)
async def database(database_url: str) -> AsyncIterator[str]:
    """The database of the test, open."""
    async with open_db(database_url):
        await begin()
        yield database_url


async def test_a_job_ends_with_what_it_needs_though_the_rest_of_that_succeeds_in_the_same_group(database: str) -> None:
    good, bad, last = ([UUID(int=3 * number + place) for number in range(COUNT)] for place in (1, 2, 3))
    await insert([Job(job, 1, None, ()) for job in (*good, *bad)])
    await insert([Job(job, 1, None, needs) for job, needs in zip(last, zip(good, bad, strict=True), strict=True)])
    connection = await connect(database)
    await connection.execute("ANALYZE")  # a plan that shows it is one that knows how many there are
    await connection.close()
    claimed = await ledger.start([(job, 1) for job in (*good, *bad)], "one", LEASE_S)
    how = {**dict.fromkeys(good, "returns"), **dict.fromkeys(bad, "job failed")}
    moved = await ledger.finish([ended(End(job.id, 1, how[job.id]), job) for job in claimed])
    assert {job.state for job in moved if job.id in last} == {State.FAILED}


async def test_a_rescue_that_is_overtaken_takes_nothing_from_the_worker_that_lives(database: str) -> None:
    job = UUID(int=1)
    await insert([Job(job, 1, None, ())])
    (claimed,) = await ledger.start([(job, 1)], "one", LEASE_S)
    await let("one", DEAD)
    connection = await connect(database)
    await connection.execute(SLOW)
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(ledger.rescue(LEASE_S))
        while not await connection.fetchval(SLEEPS):  # noqa: ASYNC110 - a row says so
            await asyncio.sleep(0.01)
        (back,) = await ledger.finish([ended(End(job, 1, "lost by its worker"), claimed)])
        await ledger.start([(job, back.dispatch)], "two", LEASE_S)
    await connection.close()
    assert slow.result() == []
    assert [(held.id, held.attempt) for held in await ledger.held_by("two")] == [(job, 2)]
