"""One budget for the whole fleet: what a host sees of it, in spite of processes, pauses and a Redis that forgets."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from redis.asyncio import ConnectionPool

from arqsvc.errors import Throttled
from arqsvc.infra.budget import LONGEST_PAUSE_S, REDIS_AWAY_S, WAIT_HERE_S, Budget, Budgets
from arqsvc.infra.redis import ArqRedis, open_redis
from tests.infra.loopback import Asked, Loopback, Reply, loopback
from tests.waiting import until


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[ArqRedis]:
    async with open_redis(redis_url) as redis:
        yield redis


@pytest.fixture
def budgets(redis: ArqRedis) -> Budgets:
    return Budgets(redis)


@pytest.fixture
async def source() -> AsyncIterator[Loopback]:
    async with loopback() as source:
        yield source


async def sent_away(budgets: Budgets, budget: Budget) -> Throttled:
    with pytest.raises(Throttled) as away:
        await budgets.look(budget)
    return away.value


def fullest(starts_s: list[float], window_s: float = 1.0) -> int:
    """The most requests that any window of this length holds."""
    return max(sum(first <= start <= first + window_s for start in starts_s) for first in starts_s)


ASKS = """
import asyncio, sys
from pathlib import Path
from arqsvc.errors import Throttled
from arqsvc.infra.budget import Budget
from tests.infra.loopback import client

async def main(url, state, redis_url, per_s):
    async with client(Path(state), redis_url) as http, asyncio.timeout(60):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        while True:
            try:
                await http.get(url, budget=Budget("host", int(per_s)))
            except Throttled as throttled:
                await asyncio.sleep(throttled.delay_s)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_processes_together_keep_to_what_one_may(source: Loopback, tmp_path: Path, redis_url: str) -> None:
    """Counted where it matters, at the host; each starts with a burst, as fresh connections are made."""
    per_s, enough = 10, asyncio.Event()

    async def answer(asked: Asked, reply: Reply) -> None:
        await reply.status("200 OK")
        if len(source.asked) > 2 * per_s:
            enough.set()

    source.answers = answer
    command = [sys.executable, "-c", ASKS, source.url, str(tmp_path), redis_url, str(per_s)]
    pipe = asyncio.subprocess.PIPE
    processes = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(3)]
    for process in processes:
        assert process.stdout
        assert await process.stdout.readline() == b"ready\n"
    began_s = time.monotonic()
    for process in processes:
        assert process.stdin
        process.stdin.write(b"\n")
    async with asyncio.timeout(30):
        await enough.wait()
    took_s = time.monotonic() - began_s
    for process in processes:
        process.kill()
        await process.wait()
    assert fullest([asked.at_s for asked in source.asked]) <= per_s
    assert took_s < 10, "the budget is used, too"


async def test_after_a_rest_a_burst_may_start_and_the_next_waits_out_the_second(budgets: Budgets) -> None:
    began_s = time.monotonic()
    at_s = []
    for _ in range(7):
        await budgets.slot(Budget("host", 3))
        at_s.append(time.monotonic() - began_s)
    assert at_s[2] < 0.5
    assert at_s[3] - at_s[0] >= 1.0
    assert at_s[6] - at_s[3] >= 1.0
    await budgets.slot(Budget("another host", 3))
    assert time.monotonic() - began_s < at_s[6] + 0.5


async def slot(budgets: Budgets, budget: Budget) -> Throttled | None:
    try:
        await budgets.slot(budget)
    except Throttled as away:
        return away
    return None


async def test_those_sent_away_come_back_one_after_another(budgets: Budgets) -> None:
    budget = Budget("host:81 0a1b", 2)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(slot(budgets, budget)) for _ in range(12)]
        came = datetime.now(UTC)
    away = [error for task in tasks if (error := task.result())]
    assert len(away) >= 8
    delays_s = sorted(error.delay_s or 0 for error in away)
    assert delays_s[0] > WAIT_HERE_S
    assert all(later - sooner > 0.45 for sooner, later in pairwise(delays_s))
    for error in away:
        assert error.facts["host"] == "host:81"
        assert error.detail.startswith("So many requests wait for host:81 (2 a second) that the next turn is at ")
        back = datetime.fromisoformat(error.facts["until"])
        assert abs((back - came).total_seconds() - (error.delay_s or 0)) < 1.5


async def test_a_pause_holds_all_workers_and_those_who_have_their_turn_already(
    budgets: Budgets, redis: ArqRedis, redis_url: str
) -> None:
    budget = Budget("host", 1)
    starts = "arqsvc:budget:{host}:starts"
    await budgets.slot(budget)
    first = await redis.lindex(starts, 0)  # type: ignore[misc]
    async with asyncio.timeout(10), asyncio.TaskGroup() as group, open_redis(redis_url) as other_redis:
        waiting = group.create_task(slot(budgets, budget))

        async def is_reserved() -> bool:
            newest = await redis.lindex(starts, 0)  # type: ignore[misc]
            return bool(newest != first)

        await until(is_reserved)
        other = Budgets(other_redis)
        assert 30 < await other.pause(budget, 30) < 32
        away = await sent_away(other, budget)
        assert away.detail.startswith("host asks to wait until ")
        assert away.delay_s
        assert away.delay_s > 30
        waited = await waiting
        assert waited
        assert waited.delay_s
        assert waited.delay_s > 28


async def test_a_short_pause_is_waited_for_and_a_shorter_one_does_not_end_a_longer(budgets: Budgets) -> None:
    budget = Budget("host", 5)
    began_s = time.monotonic()
    await budgets.pause(budget, 0.6)
    await budgets.pause(budget, 0.1)
    await budgets.slot(budget)
    assert 0.6 <= time.monotonic() - began_s < 2


async def test_a_pause_without_a_time_grows_once_a_pause_and_starts_small_after_a_good_answer(
    budgets: Budgets, redis: ArqRedis
) -> None:
    budget = Budget("host", 1000)
    _, paused, *_ = keys = [f"arqsvc:budget:{{host}}:{name}" for name in ("starts", "paused", "promised", "grown")]
    seen = []
    for _ in range(9):
        seen.append(round(await budgets.pause(budget, None)))
        assert round(await budgets.pause(budget, None)) == seen[-1], "told by another who had asked before it"
        await budgets.answered(budget)  # as one who had asked before it
        await redis.delete(paused, keys[2])
    assert seen == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    await budgets.answered(budget)
    assert round(await budgets.pause(budget, None)) == 1
    await redis.delete(paused, keys[2])
    assert round(await budgets.pause(budget, 10**9)) == LONGEST_PAUSE_S
    away = await sent_away(budgets, budget)
    assert datetime.fromisoformat(away.facts["until"]).strftime("%H:%M:%S UTC.") in away.detail


async def test_a_redis_that_forgot_does_not_give_the_burst_again(budgets: Budgets, redis: ArqRedis) -> None:
    budget = Budget("host", 2)
    for _ in range(2):
        await budgets.slot(budget)
    last_s = time.monotonic()
    await redis.flushall()
    await budgets.slot(budget)
    assert time.monotonic() - last_s > 1


async def test_a_turn_that_comes_too_late_to_be_kept_is_let_go(budgets: Budgets, redis: ArqRedis) -> None:
    await redis.client_pause(150)  # its answer is on the way for so long
    await budgets.slot(Budget("host", 5))
    assert await redis.llen("arqsvc:budget:{host}:starts") == 2  # type: ignore[misc]


async def test_turns_of_a_clock_that_was_set_back_do_not_stop_everything(budgets: Budgets, redis: ArqRedis) -> None:
    ahead_ms = round((time.time() + 3600) * 1000)
    await redis.lpush("arqsvc:budget:{host}:starts", ahead_ms)  # type: ignore[misc]
    async with asyncio.timeout(5):
        await budgets.slot(Budget("host", 2))


async def test_all_that_is_kept_expires(budgets: Budgets, redis: ArqRedis) -> None:
    budget = Budget("host", 1)
    await budgets.slot(budget)
    await budgets.pause(budget, None)
    names = await redis.keys("arqsvc:budget:*")
    assert len(names) == 4
    for name in names:
        assert 0 < await redis.pttl(name) < 700_000


@pytest.mark.parametrize("hangs", [True, False])
async def test_without_redis_nobody_asks_and_it_is_said_who_is_away(
    budgets: Budgets, redis: ArqRedis, tmp_path: Path, hangs: bool
) -> None:
    if hangs:
        await redis.client_pause(60_000)
        asked = budgets
    else:
        asked = Budgets(ArqRedis(ConnectionPool.from_url(f"unix://{tmp_path}/none")))
    budget = Budget("host", 3)
    async with asyncio.TaskGroup() as group:
        looked = group.create_task(sent_away(asked, budget))
        paused = group.create_task(asked.pause(budget, 7))
        group.create_task(asked.answered(budget))
    away = looked.result()
    assert away.detail.startswith("Redis, which holds the budget of requests to host, does not answer; they wait until")
    assert (away.delay_s, paused.result()) == (REDIS_AWAY_S, 7)
