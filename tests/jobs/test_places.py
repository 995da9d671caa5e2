"""Where jobs stand in their queue: by priority, and by the time for which they have waited."""

from uuid import UUID

from arqsvc.jobs.move import AHEAD_S
from arqsvc.jobs.record import JobRecord
from tests.service import Service


async def place(service: Service, priority: int) -> float:
    job = await service.client.submit("test.unserved", {}, priority=priority)
    row = await JobRecord.get(id=UUID(job["id"]))
    assert row.priority == priority
    assert row.place is not None
    return row.place


async def test_each_step_of_priority_stands_a_minute_ahead_and_jobs_of_one_in_their_order(api: Service) -> None:
    first, second, urgent, idle = [await place(api, priority) for priority in (5, 5, 10, 1)]
    assert first < second
    assert 0 <= urgent - (second - 5 * AHEAD_S) < AHEAD_S  # behind what has waited for longer than it stands ahead
    assert 0 <= idle - (urgent + 9 * AHEAD_S) < AHEAD_S
