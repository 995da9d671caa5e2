"""Group commit: what many tasks have to write goes out in one go, as soon as the one before has returned."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Grouped(Generic[T, R]):
    """Gathers items while a group is being written, and writes them as the next; without a timer.

    Args:
        write: takes a group, returns what came of each, in its order. What it raises is raised to all of the group.
        alone: errors that one item may cause for all; then each is written alone.
        limit: most items of a group.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        alone: tuple[type[Exception], ...],
        limit: int = 500,
    ) -> None:
        self._write, self._alone, self._limit = write, alone, limit
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._wake = asyncio.Event()

    async def __call__(self, item: T) -> R:
        """Return what came of an item, once it is written."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Write until cancelled; a group that this cuts short is told so."""
        while True:
            await self._wake.wait()
            group, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
            if not self._waiting:
                self._wake.clear()
            try:
                await self._go(group)
            except asyncio.CancelledError:
                _fail(group, ConnectionError("the write was cut short"))
                raise

    async def _go(self, group: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._write([item for item, _ in group])
        except self._alone as error:
            if len(group) == 1:
                _fail(group, error)
            else:
                for each in group:
                    await self._go([each])
        except Exception as error:
            _fail(group, error)
        else:
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)


def _fail(group: Sequence[tuple[Any, asyncio.Future[Any]]], error: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
