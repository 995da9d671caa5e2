"""What waits for one reader: progress gives way, changes of state do not, and it is never too much."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from arqsvc.jobs.events import Event, EventId
from arqsvc.jobs.outbox import Closed, Outbox

JOB, OTHER = UUID(int=1), UUID(int=2)
AT = datetime(2026, 11, 27, tzinfo=UTC)


def state(seq: int, job: UUID = JOB) -> Event:
    return Event(EventId(seq), "state", job, AT, {"state": "running"})


def progress(n: int, step: str, seq: int = 2, job: UUID = JOB) -> Event:
    return Event(EventId(seq, n), "progress", job, AT, {"step": step})


async def taken(outbox: Outbox) -> list[str]:
    return [str(event.id) for event in await outbox.take()]


def filled(events: Iterable[Event], most: int = 100, *, single: bool = True) -> Outbox:
    outbox = Outbox(single=single, most=most)
    outbox.follows.update({JOB, OTHER})
    for event in events:
        outbox.push(event)
    return outbox


async def test_unread_progress_gives_way_within_a_step_and_never_across_steps() -> None:
    pieces = [progress(1, "a"), progress(2, "a"), progress(3, "b"), progress(4, "a"), progress(5, "a")]
    assert await taken(filled([state(2), *pieces])) == ["2", "2.2", "2.3", "2.5"]


async def test_progress_of_one_job_gives_way_to_its_own_alone() -> None:
    pieces = [progress(1, "a"), progress(1, "a", job=OTHER), progress(2, "a"), state(3), progress(3, "a", seq=4)]
    assert await taken(filled(pieces)) == ["2.1", "2.2", "3", "4.3"]


async def test_a_full_outbox_drops_progress_and_keeps_every_change() -> None:
    outbox = filled([state(1), progress(1, "a"), progress(2, "b"), state(2), state(3)], most=4)
    assert (await taken(outbox), outbox.closed) == (["1", "2", "3"], None)


async def test_a_reader_whose_changes_do_not_fit_is_cut_off_and_holds_nothing_any_more() -> None:
    outbox = filled([state(seq) for seq in range(1, 6)], most=4)
    assert (outbox.closed, len(outbox)) == (Closed.SLOW, 0)
    assert await taken(outbox) == []
    outbox.push(state(9))
    assert len(outbox) == 0


async def test_what_waits_is_told_before_the_end() -> None:
    outbox = filled([state(1)])
    outbox.ended(JOB)
    assert len(outbox) == 1
    outbox.ended(OTHER)
    assert [outbox.closed, await taken(outbox), await taken(outbox)] == [Closed.TOLD, ["1"], []]


async def test_one_that_is_not_single_waits_for_more() -> None:
    outbox = filled([], single=False)
    outbox.ended(JOB)
    outbox.ended(OTHER)
    assert (outbox.closed, await outbox.take(0.01)) == (None, [])
