"""Where jobs stand in their queue: projects take turns, priority stands ahead, nobody starves."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from uuid import UUID

import pytest
from uuid6 import uuid7

from arqsvc.infra.db import open_db, rows
from arqsvc.infra.redis import open_redis
from arqsvc.jobs import ledger, limits
from arqsvc.jobs.declare import Limit
from arqsvc.jobs.ledger import Ended, Ending
from arqsvc.jobs.move import Claimed, Moved
from arqsvc.jobs.new import NewJob, Options, insert
from arqsvc.jobs.places import AHEAD, ahead
from arqsvc.jobs.queue import JobQueue, queue_key
from arqsvc.jobs.record import State
from arqsvc.settings import Settings
from tests.flow.kinds import Say
from tests.jobs.ledger_model import DEAD
from tests.jobs.ledger_steps import LEASE_S, begin, let, not_wait_for_the_disk

DONE = Ending("succeeded", State.SUCCEEDED)


@pytest.fixture(autouse=True)
async def database(database_url: str) -> AsyncIterator[None]:
    """The database of the test, open."""
    await not_wait_for_the_disk(database_url)
    async with open_db(database_url):
        await begin()
        yield


def new(project: str, number: int = 1, priority: int = 5, **more: object) -> list[NewJob]:
    """Return jobs of a project."""
    given = {"project": project, "priority": priority, "kind": "test.note", "queue": "test", "params": {}, **more}
    return [NewJob(**{"id": uuid7(), **given}) for _ in range(number)]  # type: ignore[arg-type]


async def add(project: str, number: int = 1, priority: int = 5) -> list[UUID]:
    """Queue jobs of a project in one statement; returns their ids."""
    return [job.id for job in await insert(new(project, number, priority))]


async def waiting() -> list[tuple[UUID, str, int]]:
    """Return id, project and dispatch of what is queued, the next first."""
    found = await rows("SELECT id, project, dispatch FROM job WHERE state = 'queued' ORDER BY place, id")
    return [(row["id"], row["project"], row["dispatch"]) for row in found]


async def order() -> str:
    """Return the projects of what is queued, the next first: a letter each."""
    return "".join(project for _, project, _ in await waiting())


async def run(number: int = 1, worker: str = "one") -> list[Claimed]:
    """Begin so many, each at its turn; returns them."""
    return await ledger.start([(job, dispatch) for job, _, dispatch in (await waiting())[:number]], worker, LEASE_S)


async def end(jobs: Sequence[Claimed], how: Ending = DONE) -> list[Moved]:
    """End what runs."""
    return await ledger.finish([Ended(job.id, job.attempt, how) for job in jobs])


def is_even(projects: str) -> bool:
    """Whether at no time one of these projects has had two jobs more than another."""
    counts = Counter(dict.fromkeys(projects, 0))
    for project in projects:
        counts[project] += 1
        if max(counts.values()) - min(counts.values()) > 1:
            return False
    return True


async def position(job: UUID) -> int | None:
    """Return how many stand before a queued job."""
    found = await ahead(job)
    return None if found is None else sum(found.values())


async def test_one_job_is_next_whatever_another_project_has_queued() -> None:
    for _ in range(4):
        backlog = await add("a", 250)
    await end(await run(3))
    await run(2)
    (job,) = await add("b")
    assert (await waiting())[0][0] == job
    assert (await position(job), await position(backlog[-1])) == (0, 995)
    (started,) = await run()
    assert (await position(started.id), await position(uuid7())) == (None, None)
    await add("b")
    assert (await order()).startswith("ab")


async def test_projects_take_turns() -> None:
    await add("a", 60)
    await run(10)
    await add("b", 20)
    assert is_even((await order())[:40])
    await add("c", 20)
    assert is_even((await order())[:60])
    await insert([job for each in zip(new("d", 5), new("e", 5), new("d", 5), strict=True) for job in each])
    assert is_even((await order())[:25])
    await end(await run(20))
    await add("a", 10)
    await add("b", 10)
    assert is_even((await order())[:50].replace("d", "").replace("e", ""))


async def test_within_a_project_priority_decides_and_then_who_came_first() -> None:
    first, second = await add("a", 200), await add("a", 200)
    await run(5)
    idle = await add("a", 1, 1)
    urgent, more = await add("a", 2, 10), await add("a", 1, 10)
    rather = await add("a", 1, 6)
    assert [job for job, *_ in await waiting()] == [*urgent, *more, *rather, *first[5:], *second, *idle]


async def test_a_step_of_priority_is_worth_sixty_jobs_and_no_more() -> None:
    await add("a", 100, 6)
    await add("b", 100)
    found = await order()
    assert found[:AHEAD] == "a" * AHEAD
    assert is_even(found[AHEAD : 2 * 100 - AHEAD])


async def test_a_project_that_calls_all_its_jobs_urgent_is_ahead_once() -> None:
    await add("a", 500, 10)
    await add("b", 200)
    assert (await order()).index("b") <= 5 * AHEAD + 1
    for _ in range(6):
        await end(await run(55))
    (one,) = await add("c")  # which does not stand behind all that urgent jobs have gone through before their turn
    assert (await position(one) or 0) <= 2
    assert is_even((await order()).replace("c", "")[:200])
    await end(await run(50))
    await add("a", 100, 10)
    assert is_even((await order())[:100])


async def test_a_trickle_of_urgent_jobs_each_of_another_project_starves_nobody() -> None:
    (idle,) = await add("z", 1, 1)
    running: list[Claimed] = []
    for project in islice(cycle("abc"), 2 * AHEAD + 3):
        await add(project, 1, 2)
        await end(running)
        running = await run()
        if running[0].id == idle:
            return
    raise AssertionError("it still waits")


async def test_what_comes_back_to_an_old_place_is_first_and_nobody_gets_ahead_by_it() -> None:
    (long,) = [job.id for job in await insert(new("z"))]
    await run(1, "two")
    await add("a", 800)
    for _ in range(4):
        await end(await run(100))
    await let("two", DEAD)
    assert [job.id for job in await ledger.rescue(LEASE_S)] == [long]
    await add("b", 100)
    found = await waiting()
    assert found[0][0] == long
    assert is_even("".join(project for _, project, _ in found[1:201]))
    await run()  # and while it runs alone
    await add("c", 50)
    assert is_even((await order())[:150])


async def test_an_interrupted_job_keeps_its_place() -> None:
    await add("a", 10)
    first, second, _ = await run(3)
    await add("b", 10)
    await end([second, first], Ending("interrupted", State.QUEUED, "worker_stopped"))
    assert [job for job, *_ in (await waiting())[:2]] == [first.id, second.id]


async def test_a_turn_that_is_cancelled_is_not_the_gain_of_another() -> None:
    jobs = await add("a", 300)
    for job in jobs[:200]:
        await ledger.cancel([job])
    await add("b", 50)
    assert is_even((await order())[:100])


async def test_what_is_due_freed_retried_or_let_go_takes_its_turn() -> None:
    await add("a", 100)
    await run(2)
    needed = await insert(new("b", 1, 10))
    await insert(new("b", 10, needs=[needed[0].id]))
    await insert(new("c", 10, delay_s=0.001))
    failed = await insert(new("d", 10, 10))
    needed_now, *others = await run(11)
    assert needed_now.id == needed[0].id
    await end(others, Ending("failed", State.FAILED))
    assert await order() == "a" * 98
    await end([needed_now])
    await rows("WITH past AS (UPDATE job SET priority = 5 WHERE project = 'd' RETURNING 1) SELECT 1")
    for job in failed:
        await ledger.retry(job.id)
    await asyncio.sleep(0.001)
    await ledger.release_due()
    assert Counter((await order())[:40]) == Counter(a=10, b=10, c=10, d=10)
    assert is_even((await order())[:40])


async def test_what_a_limit_held_back_does_not_line_up_again() -> None:
    few = Limit("few", at_once=1)
    first, second = await insert(new("a", 2, limits=[few]))
    await add("a", 300)
    (claimed,) = await run(2)
    assert claimed.id == first.id
    await end(await run(100))
    await add("b", 50)
    await end([claimed])
    assert [job.id for job in await limits.release()] == [second.id]
    assert (await waiting())[0][0] == second.id
    assert is_even((await order())[1:100])


async def test_the_places_of_an_older_version_do_not_count_as_turns() -> None:
    await add("a", 50)
    now_s = datetime.now(UTC).timestamp()
    await rows("WITH old AS (UPDATE job SET place = $1 + place RETURNING 1) SELECT 1", [now_s])
    (one,) = await add("b")
    assert await position(one) == 1
    await end(await run(5))
    await add("c", 10, 1)
    await add("d", 10)
    assert (await order())[:20].count("d") == 10


async def test_processes_that_write_at_once_are_fair_within_a_statement() -> None:
    await add("a", 10)
    await run(2)
    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(add("ab"[number % 2], 10))
    found = (await order())[:100]
    assert abs(found.count("a") - found.count("b")) <= 20


async def test_the_order_outlives_what_redis_holds(settings: Settings) -> None:
    assert settings.redis_url
    async with open_redis(settings.redis_url.get_secret_value()) as redis:
        queue = JobQueue(redis)
        for project, number, priority in (("a", 1000, 5), ("b", 1, 5), ("c", 300, 5), ("a", 2, 10), ("c", 2, 1)):
            says = [Say(text=str(each)) for each in range(number)]
            await queue.submit_all(says, project=project, options=Options(priority=priority))
        before = await redis.zrange(queue_key("test"), 0, -1)
        assert before == [f"{job}:{dispatch}".encode() for job, _, dispatch in await waiting()]
        assert (await order()).startswith("aaab")
        await redis.flushdb()
        old = datetime.now(UTC) - timedelta(seconds=10)
        await rows("WITH old AS (UPDATE job SET queued_at = $1 RETURNING 1) SELECT 1", [old])
        await queue.put_back_forgotten(None)
        assert await redis.zrange(queue_key("test"), 0, -1) == before
