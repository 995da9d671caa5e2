"""How a process follows: it reads the stream and the ledger once, for all who follow here.

What is announced of followed jobs is collected while a statement runs, and the next one reads all of it: one statement
at a time, however many follow. A follower that comes is told what it missed by the same reading. Of each job everything
is handed on in order by one loop, so that there is no gap and nothing comes twice.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from arqsvc.infra.db import rows
from arqsvc.infra.redis import WAIT_S, ArqRedis, best_effort, from_json
from arqsvc.jobs.events import ABOUT, LOOK_S, STREAM, Event, EventId
from arqsvc.jobs.fleet import Fleet
from arqsvc.jobs.followed import Followed
from arqsvc.jobs.outbox import Closed, Outbox
from arqsvc.jobs.progress import progress_key
from arqsvc.jobs.record import State

PAGE = 1_000
"""Most jobs that one statement reads."""

_NEWS = f"""SELECT job.id AS job_id, job.seq AS newest, job.state AS stands, {ABOUT},
    CASE WHEN told.seq IS NULL OR told.seq = job.seq THEN job.progress END AS progress,
    told.tx, told.id AS place, told.seq, told.at, told.state, told.reason, told.attempt, told.due_at, told.error
FROM unnest($1::uuid[], $2::int[]) AS followed(id, seq) JOIN job ON job.id = followed.id
LEFT JOIN job_event told ON told.job_id = job.id AND told.seq > followed.seq
ORDER BY job.id, told.seq"""


class EventHub:
    """Hands what happens to jobs to those who follow them, or the whole fleet, in this process."""

    def __init__(self, redis: ArqRedis) -> None:
        self.fleet = Fleet()
        self._redis = redis
        self._last: bytes | None = None
        self._jobs: dict[UUID, Followed] = {}
        self._stale = set[UUID]()
        """Followed jobs that may have new rows, or new followers."""
        self._wake = asyncio.Event()
        self._open = set[Outbox]()
        self._stopped = False

    @property
    def loops(self) -> tuple[tuple[str, Callable[[], Awaitable[None]]], ...]:
        """What must run, under `supervised`, for anybody to be told anything."""
        return ("announcements", self._listen), ("changes", self._read), ("fleet", self.fleet.run)

    @property
    def followed(self) -> int:
        """How many jobs somebody follows here."""
        return len(self._jobs)

    @property
    def streams(self) -> int:
        """How many follow here."""
        return len(self._open)

    @contextmanager
    def opened(self, *, single: bool = True) -> Iterator[Outbox]:
        """Open an outbox for the block; a `single` one closes when all that it follows has ended."""
        outbox = Outbox(single=single)
        self._open.add(outbox)
        if self._stopped:
            outbox.close(Closed.STOPPED)
        try:
            yield outbox
        finally:
            outbox.close(Closed.STOPPED)
            self._open.discard(outbox)
            self.fleet.leave(outbox)
            for job in [job for job in outbox.follows if job]:
                self.unfollow(outbox, job)

    def stop(self) -> None:
        """Close all outboxes, and each that is opened from now on: this process ends."""
        self._stopped = True
        for outbox in self._open:
            outbox.close(Closed.STOPPED)

    def follow(self, outbox: Outbox, job: UUID, after: EventId) -> None:
        """Tell the story of a job behind `after`, and then what comes, until its final state."""
        if outbox.closed:
            return
        outbox.follows.add(job)
        followed = self._jobs.get(job) or self._jobs.setdefault(job, Followed(job))
        followed.readers.pop(outbox, None)
        followed.joining[outbox] = after
        self._look_at(job)

    def unfollow(self, outbox: Outbox, job: UUID) -> None:
        """Tell no more of a job."""
        outbox.follows.discard(job)
        if followed := self._jobs.get(job):
            followed.readers.pop(outbox, None)
            followed.joining.pop(outbox, None)
            self._forget_unfollowed(followed)

    def _forget_unfollowed(self, followed: Followed) -> None:
        if not (followed.readers or followed.joining) and self._jobs.get(followed.job) is followed:
            del self._jobs[followed.job]

    def _look_at(self, job: UUID) -> None:
        self._stale.add(job)
        self._wake.set()

    async def _listen(self) -> None:
        """Read the stream until cancelled, from where the last run of this loop came to."""
        if self._last is None:
            newest = await self._redis.xrevrange(STREAM, count=1)
            self._last = newest[0][0] if newest else b"0"
        for followed in self._jobs.values():
            followed.kept = -1  # what was told while nobody listened is kept in Redis
            self._look_at(followed.job)
        while True:
            found = await self._redis.xread({STREAM: self._last}, count=1000, block=int(WAIT_S * 1000))
            for _, entries in found or ():
                for self._last, fields in entries:
                    for news in from_json(fields[b"j"]):
                        self._heard(UUID(news[0]), *news[1:])

    def _heard(
        self, job: UUID, seq: int, entry: Mapping[str, Any] | None, gone: Mapping[str, Any] | None = None
    ) -> None:
        if gone:  # who followed it alone was told its end, and follows it no more
            self.fleet.lost(job, seq, gone)
            return
        self.fleet.heard(job, seq, entry)
        followed = self._jobs.get(job)
        if followed is None:
            return
        if entry is None:
            if seq > followed.seq:
                self._look_at(job)
        elif not followed.progressed(seq, entry):
            self._look_at(job)

    async def _read(self) -> None:
        """Read what is new of the followed jobs until cancelled: what was announced, and of all of them every 2 s."""
        look_at, now = 0.0, asyncio.get_running_loop().time
        while True:
            if now() >= look_at:
                self._stale.update(self._jobs)
                look_at = now() + LOOK_S
            if self._stale:
                page = list(itertools.islice(self._stale, PAGE))
                self._stale.difference_update(page)
                await self._tell([self._jobs[job] for job in page if job in self._jobs])
                continue
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(look_at - now() if self._jobs else None):
                    await self._wake.wait()

    async def _tell(self, asked: Sequence[Followed]) -> None:
        """Read the new rows of these jobs, in one statement, and hand them on."""
        for followed in asked:
            followed.begin()
        try:
            found = await rows(_NEWS, [[each.job for each in asked], [each.behind for each in asked]]) if asked else ()
            stories = {job: list(story) for job, story in itertools.groupby(found, key=lambda row: row["job_id"])}
            kept = await self._kept([each for each in asked if each.job in stories], stories)
        finally:
            for followed in asked:
                followed.reading = False
        for followed in asked:
            story = stories.get(followed.job, ())
            followed.hand_on(story, kept.get(followed.job))
            self._forget_unfollowed(followed)

    async def _kept(
        self, asked: Sequence[Followed], stories: Mapping[UUID, Sequence[Mapping[str, Any]]]
    ) -> dict[UUID, Any]:
        """Return the progress that is kept in Redis of those jobs that run, where somebody has not been told of it."""
        ends = [(each, stories[each.job][-1]) for each in asked]
        running = [
            (each, end["newest"])
            for each, end in ends
            if end["stands"] == State.RUNNING and each.lacks_progress(end["newest"])
        ]
        kept = dict[UUID, Any]()
        if running:
            async with best_effort("progress is not known"):
                values = await self._redis.mget([progress_key(each.job, attempt) for each, attempt in running])
                for (each, attempt), value in zip(running, values, strict=True):
                    each.kept = attempt
                    kept[each.job] = from_json(value) if value else None
        return kept


async def follow(hub: EventHub, job: UUID, after: EventId) -> AsyncGenerator[Event, None]:
    """Yield the story of a job behind `after`, and then what comes; ends with its final state, or with the process."""
    with hub.opened() as outbox:
        hub.follow(outbox, job, after)
        while events := await outbox.take():
            for event in events:
                yield event
