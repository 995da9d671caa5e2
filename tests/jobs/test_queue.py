"""Priorities, and where kinds are routed."""

from pathlib import Path

import pytest

from arqsvc.errors import Conflict
from arqsvc.infra.redis import open_redis
from arqsvc.jobs.declare import Params, Result
from arqsvc.jobs.new import routed
from arqsvc.jobs.queue import JobQueue
from arqsvc.jobs.record import QueueMode
from tests.flow.kinds import Follow, Say
from tests.service import Service


@pytest.mark.parametrize("priority", [0, 11])
def test_a_priority_is_in_1_to_10(priority: int) -> None:
    with pytest.raises(TypeError, match=rf"has priority {priority}; it must be in 1\.\.10"):
        type("Rush", (Params,), {}, kind="test.rush", result=Result, priority=priority)


def test_the_first_route_that_fits_counts_and_without_one_the_kinds_own_queue() -> None:
    assert routed(Say, ()) == "test"
    assert routed(Say, [("other.*", "a"), ("test.*", "b"), ("test.say", "c")]) == "b"


async def test_many_are_submitted_together_each_with_what_it_needs(api: Service, tmp_path: Path) -> None:
    assert api.settings.redis_url
    async with open_redis(api.settings.redis_url.get_secret_value()) as redis:
        await submit_many(api, JobQueue(redis), tmp_path)


async def submit_many(api: Service, queue: JobQueue, tmp_path: Path) -> None:
    ids = await queue.submit_all([Say(text="a"), Follow(folder=tmp_path), Say(text="b")], project="tester")
    found = [await api.client.job(str(job)) for job in ids]
    assert [(job["kind"], job["state"], len(job["needs"])) for job in found] == [
        ("test.say", "queued", 0),
        ("test.follow", "blocked", 2),
        ("test.say", "queued", 0),
    ]
    await queue.set_mode("test", QueueMode.DRAINING)
    with pytest.raises(Conflict):
        await queue.submit_all([Say(text="c")], project="tester")
