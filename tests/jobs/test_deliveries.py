"""Messages of webhooks in the ledger: one for each change, each claimed by one, and when it is tried again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

import pytest
from uuid6 import uuid7

from arqsvc.contract import EventType
from arqsvc.infra.db import open_db, rows
from arqsvc.jobs import deliveries, ledger
from arqsvc.jobs.deliveries import WAITS_S, Delivery, Try, next_wait_s
from arqsvc.jobs.webhooks import DeliveryRecord, WebhookRecord
from arqsvc.webhooks import new_secret
from tests.jobs.ledger_model import End, Job
from tests.jobs.ledger_steps import LEASE_S, begin, ended, insert


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[str]:
    """The database of the test, open."""
    async with open_db(database_url):
        await begin()
        yield database_url


async def webhook(project: str = "tester", *, disabled: bool = False) -> UUID:
    """Return a webhook that wants to be told everything."""
    now = datetime.now(UTC)
    made = await WebhookRecord.create(
        id=uuid7(), project=project, url="http://x", types=list(get_args(EventType)), secret=new_secret(),
        created_at=now, disabled_at=now if disabled else None,
    )  # fmt: skip
    return made.id


async def claimed(
    most: int, a_lane: int = 100, busy: Mapping[str, int] = {}, a_project: int = 100,
    busy_projects: Mapping[str, int] = {}, kept: int = 0,
) -> list[Delivery]:  # fmt: skip
    """Claim messages, by default without bounds."""
    return await deliveries.claim(
        most, a_lane=a_lane, busy=busy, a_project=a_project, busy_projects=busy_projects, kept=kept
    )


async def pending(lane: str, project: str, number: int, age_s: float) -> None:
    """Write messages that have been due for so long, or will be."""
    await rows(
        """WITH made AS (
            INSERT INTO webhook_delivery (id, project, lane, type, body, state, due_at, created_at)
            SELECT gen_random_uuid(), $2, $1, 'job.queued', '{}', 'pending', now() - make_interval(secs => $4), now()
            FROM generate_series(1, $3) RETURNING id
        ) SELECT count(*) FROM made""",
        [lane, project, number, age_s],
    )


async def test_there_is_a_message_of_each_change_of_each_job_to_each_webhook_of_its_project(database: str) -> None:
    hooks = {await webhook(), await webhook()}
    await webhook("another")
    await webhook(disabled=True)
    first, second, last = (UUID(int=number) for number in (1, 2, 3))
    await insert([Job(first, 2, None, ()), Job(second, 1, None, ()), Job(last, 1, None, (first, second))])
    for end in (End(first, 1, "retryable"), End(first, 2, "returns"), End(second, 1, "job failed")):
        (job,) = await ledger.start([(end.job, end.attempt)], "one", LEASE_S)
        await ledger.finish([ended(end, job)])
        await rows(
            """WITH due AS (UPDATE job SET due_at = now() WHERE state = 'scheduled' RETURNING id) SELECT id FROM due"""
        )
        await ledger.release_due()
    changes = Counter(
        (row["job_id"], row["seq"], f"job.{row['state']}")
        for row in await rows("SELECT job_id, seq, state FROM job_event WHERE state <> 'blocked'")
    )
    assert {type_ for _, _, type_ in changes} == {f"job.{state}" for state in (
        "queued", "running", "scheduled", "succeeded", "failed"
    )}  # fmt: skip
    for hook in hooks:
        told = await DeliveryRecord.filter(webhook_id=hook)
        assert Counter((each.job_id, each.body["data"]["seq"], each.type) for each in told) == changes
    assert await DeliveryRecord.all().count() == 2 * changes.total()


async def test_each_message_is_claimed_once_and_of_each_lane_no_more_than_may_be(database: str) -> None:
    hooks = [str(await webhook()) for _ in range(3)]
    await insert([Job(UUID(int=number), 1, None, ()) for number in range(1, 21)])
    assert len(await claimed(100, a_project=2)) == 2
    assert await claimed(100, a_project=2, busy_projects={"tester": 2}) == []
    await DeliveryRecord.all().update(due_at=datetime.now(UTC))
    few = await claimed(100, a_lane=4, busy={hooks[0]: 3, hooks[1]: 9})
    assert Counter(each.lane for each in few) == {hooks[0]: 1, hooks[2]: 4}
    async with asyncio.TaskGroup() as group:
        claims = [group.create_task(claimed(7)) for _ in range(20)]
    taken = [*few, *(each for claim in claims for each in claim.result())]
    while more := await claimed(100):
        taken += more
    assert len({each.id for each in taken}) == 3 * 20 == len(taken)


async def test_a_long_backlog_of_one_lane_hides_no_other(database: str) -> None:
    await pending("long", "one", deliveries.LOOKED + 1, 1000)
    await pending("short", "one", 2, 1)
    await pending("later", "one", 1, -1000)
    assert Counter(each.lane for each in await claimed(64, a_lane=8)) == {"long": 8, "short": 2}


async def test_projects_of_which_little_is_under_way_go_before_those_with_more(database: str) -> None:
    for project in ("one", "two"):
        await pending(project, project, 100, 1000)
    first = await claimed(64, a_project=32, kept=16)
    assert Counter(each.project for each in first) == {"one": 24, "two": 24}
    busy = {"one": 24, "two": 24}
    assert await claimed(16, a_project=32, busy_projects=busy, kept=16) == []
    await pending("three", "three", 10, 1)
    assert {each.project for each in await claimed(1, a_project=32, busy_projects=busy)} == {"three"}
    newcomers = await claimed(15, a_project=32, busy_projects={**busy, "three": 1}, kept=16)
    assert [each.project for each in newcomers] == ["three"] * (deliveries.NEWCOMER - 1)


async def test_a_try_that_was_overtaken_changes_nothing(database: str) -> None:
    await webhook()
    await insert([Job(UUID(int=1), 1, None, ())])
    (late,) = await claimed(1)
    await deliveries.note(late, Try(0.1, 500, "Status 500"))
    await deliveries.note(late, Try(0.1, 410, "Status 410", gone=True))
    (row,) = await DeliveryRecord.all()
    assert (row.state, row.tries, [entry["status"] for entry in row.log]) == ("pending", 1, [500])
    assert (await WebhookRecord.get()).disabled_at is None


def test_the_waits_are_those_of_the_schedule_with_jitter_and_what_the_receiver_asks() -> None:
    def wait_s(tries: int, tried: Try, type_: str = "job.failed") -> float | None:
        return next_wait_s(Delivery(UUID(int=1), "p", "lane", type_, {}, "http://x", [], tries), tried)

    failed = Try(0.1, 500, "Status 500")
    for number, wanted_s in enumerate(WAITS_S[1:]):
        waits_s = [wait_s(number, failed) or 0.0 for _ in range(50)]
        assert 0.9 * wanted_s <= min(waits_s) < max(waits_s) <= 1.1 * wanted_s
    assert wait_s(len(WAITS_S) - 1, failed) is None
    assert wait_s(0, failed, "ping") is None
    assert wait_s(0, Try(0.1, 410, "Status 410", gone=True)) is None
    assert wait_s(0, Try(0.1, 200)) is None
    assert wait_s(0, Try(0.1, 429, "Status 429", wait_s=77.0)) == 77.0
    assert wait_s(0, Try(0.1, 429, "Status 429", wait_s=1e9)) == 86_400.0
