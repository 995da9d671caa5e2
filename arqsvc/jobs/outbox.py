"""What one reader has not yet been told: never more than so much, and nobody waits for it."""

import asyncio
from enum import Enum
from itertools import islice
from uuid import UUID

from arqsvc.jobs.events import Event

MOST = 5_000
"""Most events that wait for one reader; they are shared with the others."""
BATCH = 100
"""Most events that a reader is handed at once."""


class Closed(Enum):
    """Why a reader is told no more."""

    TOLD = "told"
    """All that it follows has ended."""
    SLOW = "slow"
    """It did not read."""
    REFUSED = "refused"
    """It may read no more."""
    NOISY = "noisy"
    """It said too much."""
    STOPPED = "stopped"
    """This process stops, or it has left."""


class Outbox:
    """Events on their way to one reader. Progress gives way to what comes later; changes of state do not."""

    __slots__ = ("_latest", "_most", "_room", "_single", "_waiting", "_wake", "closed", "follows")

    def __init__(self, *, single: bool, most: int = MOST) -> None:
        """Open one.

        Args:
            single: whether it ends with what it follows.
            most: events that may wait.
        """
        self.follows = set[UUID | None]()
        """The jobs that it follows; None for the whole fleet."""
        self.closed: Closed | None = None
        self._single, self._most = single, most
        self._waiting: dict[int, Event] = {}
        self._latest: dict[UUID | None, Event] = {}
        """By job, the progress that waits and behind which nothing else of that job does."""
        self._wake = asyncio.Event()
        self._room: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, event: Event) -> None:
        """Hand over an event; an unread piece of progress of the same step gives way to it."""
        if self.closed:
            return
        before = self._latest.pop(event.job_id, None)
        if event.type == "progress":
            if before and (before.seq, before.data["step"]) == (event.seq, event.data["step"]):
                del self._waiting[id(before)]
            self._latest[event.job_id] = event
        self._waiting[id(event)] = event
        if len(self._waiting) > self._most:
            self._make_room()
        self._wake.set()

    def _make_room(self) -> None:
        """Drop all progress; a reader for whom that is not enough is cut off, and reads the rest from the ledger."""
        self._waiting = {key: event for key, event in self._waiting.items() if event.type != "progress"}
        self._latest.clear()
        if len(self._waiting) > self._most:
            self.close(Closed.SLOW)

    def ended(self, job: UUID) -> None:
        """Note that there is no more to tell of a job."""
        self.follows.discard(job)
        if self._single and not self.follows:
            self.close(Closed.TOLD)

    def close(self, why: Closed) -> None:
        """Take in no more; what waits is told, unless the reader is too slow, or may not be told."""
        self.closed = self.closed or why
        if why in {Closed.SLOW, Closed.REFUSED}:
            self._waiting.clear()
            self._latest.clear()
        self._wake.set()
        if self._room:
            self._room.set()

    async def take(self, within_s: float | None = None) -> list[Event]:
        """Wait for events and return some; none if none came within so many seconds, or once it is closed and empty."""
        if not (self._waiting or self.closed):
            self._wake.clear()
            try:
                async with asyncio.timeout(within_s):
                    await self._wake.wait()
            except TimeoutError:
                return []
        keys = list(islice(self._waiting, BATCH))
        taken = [self._waiting.pop(key) for key in keys]
        for event in taken:
            if self._latest.get(event.job_id) is event:
                del self._latest[event.job_id]
        if self._room and len(self._waiting) <= self._most // 2:
            self._room.set()
        return taken

    async def room(self) -> None:
        """Wait until no more than half of what may wait does, or it is closed."""
        self._room = self._room or asyncio.Event()
        while len(self._waiting) > self._most // 2 and not self.closed:
            self._room.clear()
            await self._room.wait()
