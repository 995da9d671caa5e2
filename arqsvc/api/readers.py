"""Who reads streams of this process: how many a key may have open, and none longer than its key is good."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from arqsvc.api.keys import Caller, no_longer_good
from arqsvc.errors import RateLimited
from arqsvc.jobs.hub import EventHub
from arqsvc.jobs.outbox import Closed, Outbox

LOOK_S = 15.0
"""Seconds between two looks whether the keys of the open streams are still good: a heartbeat of a stream."""
WAIT_S = 10.0
"""Seconds after which who has too many streams open may try again."""


class Readers:
    """The open streams of this process, by the key or session that opened them."""

    def __init__(self, hub: EventHub, most: int) -> None:
        """Hold none yet.

        Args:
            hub: what the streams read.
            most: streams that a key may have open here, 0 for any number.
        """
        self._hub, self._most = hub, most
        self._open = dict[UUID, set[Outbox]]()
        self._wake = asyncio.Event()

    def check(self, caller: Caller) -> None:
        """Pass who may open one more; what is opened before this task waits again is within the bound.

        Raises:
            RateLimited: it has as many open as it may.
        """
        if self._most and len(self._open.get(caller.id, ())) >= self._most:
            raise RateLimited(
                f"The key {caller.name!r} has {self._most:,} streams open, the limit (ARQSVC_STREAMS_PER_KEY). "
                "Close some, or follow many jobs by one.",
                delay_s=WAIT_S, limit=self._most,
            )  # fmt: skip

    @contextmanager
    def opened(self, caller: Caller, *, single: bool = True) -> Iterator[Outbox]:
        """Open an outbox for the block; it is closed when its key is no longer good."""
        with self._hub.opened(single=single) as outbox:
            self._open.setdefault(caller.id, set()).add(outbox)
            try:
                yield outbox
            finally:
                held = self._open[caller.id]
                held.discard(outbox)
                if not held:
                    del self._open[caller.id]

    def look_soon(self) -> None:
        """Have the keys looked at now, and not in a while: one has just been revoked here."""
        self._wake.set()

    async def run(self) -> None:
        """Look at the keys of the open streams now and then, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            self._wake.clear()
            await self.look()

    async def look(self) -> None:
        """End the streams of all keys that have been revoked or have expired, with one statement."""
        for key in await no_longer_good(self._open) if self._open else ():
            for outbox in self._open.get(key, ()):
                outbox.close(Closed.REFUSED)
