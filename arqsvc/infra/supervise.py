"""Run a loop that lives as long as its process: log its failures, back off, start it again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


async def supervise(name: str, loop: Callable[[], Awaitable[None]], *, longest_wait_s: float = 10.0) -> None:
    """Run `loop` again and again until cancelled; its siblings do not notice that it failed."""
    wait_s = 0.1
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await loop()
        except Exception:
            logger.exception("a loop failed and starts again", extra={"loop": name, "wait_s": wait_s})
        if asyncio.get_running_loop().time() - started > longest_wait_s:
            wait_s = 0.1
        await asyncio.sleep(wait_s)
        wait_s = min(longest_wait_s, 2 * wait_s)


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` now and then every so many seconds, counted from its end."""
    while True:
        await work()
        await asyncio.sleep(seconds)
