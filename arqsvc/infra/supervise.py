"""Loops that live as long as their process: one that fails is logged, waits, and starts again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

logger = logging.getLogger(__name__)

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0
WELL_S = 2.0
"""A loop that ran for longer was well: what ends it then is another fault, and it waits as for the first."""
AGAIN_S = 0.2


@asynccontextmanager
async def supervised(loops: Iterable[tuple[str, Callable[[], Awaitable[None]]]]) -> AsyncIterator[None]:
    """Run these loops, each by its name, for the block."""
    async with task_group() as group:
        tasks = [group.create_task(supervise(name, loop), name=name) for name, loop in loops]
        try:
            yield
        finally:
            await _end(tasks)


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """A TaskGroup out of which a single error comes as it is; the block sees to it that the tasks end."""
    failed: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            try:
                yield group
            except Exception as error:
                failed = error
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] if len(errors.exceptions) == 1 else errors from errors
    if failed:
        raise failed


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` now and then again, so many seconds after it ended."""
    while True:
        await work()
        await asyncio.sleep(seconds)


async def supervise(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run `loop` again and again until cancelled; its siblings do not notice that it failed."""
    wait_s, failed = FIRST_WAIT_S, ""
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await loop()
        except Exception as error:
            how = f"{type(error).__name__}: {error}"
            facts = {"loop": name, "wait_s": wait_s, "error": how}
            logger.error("a loop failed and starts again", exc_info=how != failed, extra=facts)
            failed = how
        if asyncio.get_running_loop().time() - started > WELL_S:
            wait_s = FIRST_WAIT_S
        await asyncio.sleep(wait_s)
        wait_s = min(LONGEST_WAIT_S, 2 * wait_s)


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: a cancel that reaches a task while it is about to run is taken for the timeout of 0 s with which
    redis-py looks whether a connection is still good, and is lost.
    """
    while tasks := [task for task in tasks if not task.done()]:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=AGAIN_S)
