"""The whole fleet as one story: all changes of all jobs in the order of their cursors, read once for all who follow.

Transactions end in another order than they begin in. A change is told once no older transaction is open, so that none
comes behind one that stands after it; a transaction that stays open delays the story, and leaves no gap in it. Progress
goes along between the changes, at most four times a second of each job; so does that a job was deleted, to those who
follow then.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from arqsvc.infra.db import UNAVAILABLE, rows
from arqsvc.jobs.events import ABOUT, LARGEST, LOOK_S, About, Cursor, Event, about, change, deleted
from arqsvc.jobs.outbox import Closed, Outbox
from arqsvc.jobs.progress import PROGRESS_S, progress_event
from arqsvc.jobs.record import FINAL
from arqsvc.jobs.snapshot import Wanted, newest_change, snapshot, told_from

logger = logging.getLogger(__name__)

PAGE = 200
"""Most changes that are read at once."""
HELD_S = 0.01
"""First wait for changes that an open transaction holds back; the next is twice as long."""
MOST_HELD_S = 0.25
KNOWN = 20_000
"""Jobs of which is remembered what they are."""

_PAGE = f"""WITH oldest AS (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS tx)
SELECT oldest.tx AS oldest, EXISTS (SELECT FROM job_event young WHERE young.tx >= oldest.tx) AS held, told.*
FROM oldest LEFT JOIN LATERAL (
    SELECT e.tx, e.id AS place, e.job_id, e.seq, e.at, e.state, e.reason, e.attempt, e.due_at, e.error, {ABOUT}
    FROM job_event e JOIN job ON job.id = e.job_id
    WHERE (e.tx, e.id) > ($1, $2) AND e.tx < oldest.tx ORDER BY e.tx, e.id LIMIT $3
) told ON true ORDER BY told.tx, told.place"""

_RUNNING = f"""SELECT id, seq, {ABOUT} FROM job
WHERE id = ANY($1::uuid[]) AND state NOT IN ('succeeded', 'failed', 'cancelled')"""
"""Of one that has ended no more progress is told, and nothing comes after which it would be forgotten."""


class Fleet:
    """Tells all changes to those who follow the fleet in this process, each what it wants."""

    def __init__(self) -> None:
        self._position: Cursor | None = None
        """Up to where the followers were told; None while there are none."""
        self._followers: dict[Outbox, tuple[Wanted, Cursor]] = {}
        """What each wants, and behind which cursor: where it had come to by itself."""
        self._progress: dict[UUID, tuple[int, Mapping[str, Any]]] = {}
        self._lost: list[Event] = []
        self._known: dict[UUID, tuple[About, int]] = {}
        self._progress_at = 0.0
        self._wake = asyncio.Event()

    @property
    def known(self) -> int:
        """Of how many jobs it keeps what they are: of those that it told of and that have not ended."""
        return len(self._known)

    def heard(self, job: UUID, seq: int, entry: Mapping[str, Any] | None) -> None:
        """Take in what was announced: new rows, or a piece of progress."""
        if self._followers:
            if entry is not None:
                self._progress[job] = seq, entry
            self._wake.set()

    def lost(self, job: UUID, seq: int, gone: Mapping[str, Any]) -> None:
        """Take in that a job was deleted: told behind the changes that are being read, which may still name it."""
        if self._followers:
            self._progress.pop(job, None)
            self._lost.append(deleted(job, seq, gone))
            self._wake.set()

    async def join(self, outbox: Outbox, wanted: Wanted, after: Cursor | None, *, anew: bool = False) -> None:
        """Tell what it wants of the changes behind `after`, or from now on; returns once it is told by `run`.

        First comes `hello`, with the cursor of now; or `reset`, with a snapshot, where the changes behind `after` are
        not kept or are too many, and for one that wants to begin `anew`.
        """
        outbox.follows.add(None)
        try:
            await self._catch_up(outbox, wanted, after, anew=anew)
        except UNAVAILABLE as error:
            logger.warning("a stream has no database", extra={"error": f"{type(error).__name__}: {error}"})
            outbox.close(Closed.STOPPED)

    async def _catch_up(self, outbox: Outbox, wanted: Wanted, after: Cursor | None, *, anew: bool) -> None:
        at = None if anew or after is None else await told_from(after)
        if at is None:
            at = await newest_change()
            begun = anew or after is not None
            data = await snapshot(wanted) if begun else {}
            outbox.push(Event(at, "reset" if begun else "hello", None, datetime.now(UTC), data, cursor=at))
        while not outbox.closed:
            page = await _page(at)
            for event in page.events:
                if wanted.has(event):
                    outbox.push(event)
            at = page.end
            if self._position is None or at >= self._position:
                self._position = self._position or at
                self._followers[outbox] = wanted, at
                self._wake.set()
                return
            await outbox.room()

    def leave(self, outbox: Outbox) -> None:
        """Tell it no more of the fleet."""
        outbox.follows.discard(None)
        self._followers.pop(outbox, None)

    async def run(self) -> None:
        """Read the changes and hand them on, until cancelled; nothing while nobody follows."""
        held_s, now = HELD_S, asyncio.get_running_loop().time
        while True:
            if not self._followers or self._position is None:
                self._position = None
                self._progress.clear()
                self._known.clear()
                self._lost.clear()
                self._wake.clear()
                await self._wake.wait()
                continue
            self._wake.clear()
            page = await _page(self._position)
            self._position = page.end
            lost, self._lost = self._lost, []
            for event in (*page.events, *lost):
                self._hand_on(event)
            await self._hand_on_progress()
            if len(page.events) == PAGE:
                continue
            held_s = min(2 * held_s, MOST_HELD_S) if page.held and not page.events else HELD_S
            wait_s = held_s if page.held else LOOK_S
            if self._progress:
                wait_s = min(wait_s, max(0.0, self._progress_at + PROGRESS_S - now()))
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    def _hand_on(self, event: Event) -> None:
        assert event.about
        assert event.job_id
        self._known.pop(event.job_id, None)
        if event.data.get("state") in FINAL:
            self._progress.pop(event.job_id, None)
        else:
            self._know(event.job_id, event.about, event.seq)
        for outbox, (wanted, after) in self._followers.items():
            if wanted.has(event) and (event.cursor is None or event.cursor > after):
                outbox.push(event)

    def _know(self, job: UUID, what: About, seq: int) -> None:
        self._known[job] = what, seq
        while len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]

    async def _hand_on_progress(self) -> None:
        """Hand on the newest progress of each job, if it is time; not before the change that it follows was told."""
        now = asyncio.get_running_loop().time()
        if not self._progress or now < self._progress_at + PROGRESS_S:
            return
        self._progress_at = now
        waiting, self._progress = self._progress, {}
        if unknown := [job for job in waiting if job not in self._known]:
            for row in await rows(_RUNNING, [unknown]):
                self._know(row["id"], about(row), row["seq"])
        for job, (seq, entry) in waiting.items():
            what, told = self._known.get(job, (None, 0))
            if what and seq == told:
                self._hand_on(progress_event(job, seq, entry, what))
            elif what and seq > told:
                self._progress.setdefault(job, (seq, entry))


@dataclass(frozen=True, slots=True)
class _Page:
    """Some changes, in order."""

    events: Sequence[Event]
    end: Cursor
    """All up to here are told, or were before."""
    held: bool
    """Whether there are some that cannot be told yet."""


async def _page(after: Cursor) -> _Page:
    found = await rows(_PAGE, [after.tx, after.id, PAGE])
    events = [change(row, about(row)) for row in found if row["tx"] is not None]
    full = len(events) == PAGE
    end = events[-1].cursor if full else Cursor(found[0]["oldest"] - 1, LARGEST)
    assert end
    return _Page(events, max(end, after), found[0]["held"])
