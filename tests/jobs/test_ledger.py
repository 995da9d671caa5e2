"""What the ledger does with many jobs in one statement."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from arqsvc.infra.db import connect, open_db
from arqsvc.jobs import ledger
from arqsvc.jobs.record import State
from tests.jobs.ledger_model import End, Job
from tests.jobs.ledger_steps import LEASE_S, begin, ended, insert

COUNT = 150


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
