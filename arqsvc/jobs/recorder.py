"""Writes how attempts ended, in groups: what comes while a group is being written goes out as the next.

Nobody waits for it: an attempt that has ended is handed over, and its followers hear of the end once it is written.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from arqsvc.infra.counts import Counts
from arqsvc.infra.db import REFUSED, UNAVAILABLE
from arqsvc.jobs import ledger, measured
from arqsvc.jobs.ledger import Ended
from arqsvc.jobs.move import Claimed, Moved
from arqsvc.jobs.queue import JobQueue
from arqsvc.jobs.record import State

logger = logging.getLogger(__name__)

GROUP = 500
IDLE_S = 0.005
"""Seconds between two looks whether all is written."""
RECORD_S = 3600.0
"""Longest time for which the end of an attempt is written again and again."""


@dataclass(frozen=True, slots=True)
class Record:
    """The end of the attempt of one job."""

    job: Claimed
    ended: Ended
    refused: Callable[[Exception], Ended]
    """Returns another end, for the case that the ledger cannot hold this one."""
    done: Callable[[], Any]
    """Called once it is written, or given up."""
    took_s: float | None = None
    """How long the attempt took; None if it did not begin."""


class Recorder:
    """Takes ends and writes them; `pending` says how many are not written yet."""

    def __init__(self, queue: JobQueue, counts: Counts) -> None:
        self._queue, self._counts = queue, counts
        self._waiting: list[Record] = []
        self._wake = asyncio.Event()
        self.pending = 0

    def add(self, record: Record) -> None:
        """Take down an end; never waits."""
        self.pending += 1
        self._waiting.append(record)
        self._wake.set()

    async def idle(self) -> None:
        """Return once all is written."""
        while self.pending:  # noqa: ASYNC110 - looked at once in the life of a worker
            await asyncio.sleep(IDLE_S)

    async def run(self) -> None:
        """Write until cancelled; a group that this cuts short is the first when it starts again."""
        while True:
            await self._wake.wait()
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            if not self._waiting:
                self._wake.clear()
            try:
                moved = await self._write(group)
            except BaseException:
                self._waiting = group + self._waiting
                self._wake.set()
                raise
            self.pending -= len(group)
            for record in group:
                record.done()
            await self._tell(group, moved)

    async def _write(self, group: Sequence[Record]) -> list[Moved]:
        """Write a group; while the database is away again and again, for an hour. Returns all that it moved."""
        wait_s, give_up = 0.1, asyncio.get_running_loop().time() + RECORD_S
        while True:
            try:
                return await self._finish(group)
            except UNAVAILABLE as error:
                if asyncio.get_running_loop().time() > give_up:
                    logger.exception("ends of attempts are not stored; their jobs are given back")
                    return []
                logger.warning("ends of attempts are not yet stored", extra={"error": str(error)})
            await asyncio.sleep(wait_s)
            wait_s = min(5.0, 2 * wait_s)

    async def _finish(self, group: Sequence[Record]) -> list[Moved]:
        """Write a group in one statement; what the ledger cannot hold is found by writing each alone."""
        try:
            moved = await ledger.finish([record.ended for record in group])
        except Exception as error:
            if isinstance(error, UNAVAILABLE) and not isinstance(error, REFUSED):
                raise
            if len(group) > 1:
                return [job for record in group for job in await self._finish([record])]
            logger.exception("the end of the attempt cannot be stored", extra={"job_id": group[0].job.id})
            refused = group[0].refused(error)
            moved = await ledger.finish([refused])
            self._count(group[0], refused, {job.id: job.state for job in moved})
            return moved
        states = {job.id: job.state for job in moved}
        for record in group:
            self._log(record, held=record.job.id in states)
            self._count(record, record.ended, states)
        return moved

    async def _tell(self, group: Sequence[Record], moved: Sequence[Moved]) -> None:
        """Tell of it, queue what was freed, cancel what is needed no more, let go on what was held back by a limit."""
        try:
            await self._queue.deliver(moved)
            ours = {record.job.id for record in group}
            await self._queue.let_go(job for job in moved if job.id not in ours)
            if any(record.job.limited for record in group):
                await self._queue.release_limited()
        except UNAVAILABLE as error:
            logger.warning("what follows from an end waits for the next look", extra={"error": str(error)})

    def _count(self, record: Record, ended: Ended, states: Mapping[UUID, State]) -> None:
        if record.job.id in states:
            measured.ended(self._counts, record.job, ended, states[record.job.id], record.took_s)

    def _log(self, record: Record, *, held: bool) -> None:
        facts = {"job_id": record.job.id, "attempt": record.job.attempt}
        if held:
            end = record.ended.end
            logger.info("attempt ended", extra={**facts, "state": end.state, "reason": end.reason})
        else:
            logger.warning("the job is another's by now; nothing is recorded", extra=facts)
