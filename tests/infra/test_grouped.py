"""Group commit: what comes while a group is written is the next group, and each hears of its own."""

import asyncio
from collections.abc import Sequence

import pytest

from arqsvc.infra.grouped import Grouped
from arqsvc.infra.supervise import supervised


class Writer:
    """Notes the groups, holds them back until told, and refuses what is negative."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def write(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        self.begun.set()
        await self.go.wait()
        if min(items) < 0:
            raise ValueError(f"{min(items)} is below 0")
        return [2 * item for item in items]


async def test_what_comes_while_a_group_is_written_is_the_next_group() -> None:
    writer = Writer()
    grouped = Grouped(writer.write, alone=(ValueError,), limit=3)
    async with supervised([("grouped", grouped.run)]), asyncio.TaskGroup() as group:
        first = group.create_task(grouped(0))
        await writer.begun.wait()
        others = [group.create_task(grouped(number)) for number in (1, 2, 3, 4)]
        await asyncio.sleep(0)
        writer.go.set()
    assert [task.result() for task in (first, *others)] == [0, 2, 4, 6, 8]
    assert writer.groups == [[0], [1, 2, 3], [4]]


async def test_one_that_is_refused_fails_alone() -> None:
    writer = Writer()
    writer.go.set()
    grouped = Grouped(writer.write, alone=(ValueError,))
    async with supervised([("grouped", grouped.run)]):
        results = [asyncio.ensure_future(grouped(number)) for number in (1, -1, 3)]
        await asyncio.wait(results)
    assert [results[0].result(), results[2].result()] == [2, 6]
    with pytest.raises(ValueError, match="-1 is below 0"):
        results[1].result()


async def test_a_group_that_is_cut_short_is_told_so() -> None:
    writer = Writer()
    grouped = Grouped(writer.write, alone=())
    async with supervised([("grouped", grouped.run)]):
        result = asyncio.ensure_future(grouped(1))
        await writer.begun.wait()
    with pytest.raises(ConnectionError, match="cut short"):
        await result
