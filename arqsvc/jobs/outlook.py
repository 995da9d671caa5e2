"""What a job that is submitted to a queue may expect: a worker that lives, a queue that is open and not too long."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from arqsvc.errors import QueueFull
from arqsvc.infra.db import rows
from arqsvc.infra.redis import best_effort
from arqsvc.jobs.queue import JobQueue, queue_key
from arqsvc.jobs.record import QueueMode

LOOK_S = 1.0
"""Seconds for which a process relies on what it has read."""
FULL_S = 5.0
"""Seconds after which who found a queue full may try again."""


class Warned(NamedTuple):
    """Why a job may wait for longer than its submitter expects."""

    code: Literal["no_worker", "queue_paused", "queue_long"]
    queue: str
    detail: str


class Outlook:
    """The queues as of a second ago at most, with what was submitted here since.

    Args:
        lease_s: seconds without a heartbeat after which a worker is dead.
        long: jobs in a queue from which on it is called long; 0 for never.
        limit: most jobs in a queue; 0 for any number.
    """

    def __init__(self, queue: JobQueue, *, lease_s: float, long: int, limit: int) -> None:
        self._queue, self._lease_s, self._long, self._limit = queue, lease_s, long, limit
        self._looked_at = -LOOK_S
        self._looking = asyncio.Lock()
        self._queued = Counter[str]()
        self._served = frozenset[str]()
        self._paused = frozenset[str]()

    async def look(self, queues: Iterable[str]) -> None:
        """Read how these queues stand, unless that is known."""
        asked = set(queues)
        if self._fresh(asked):
            return
        async with self._looking:
            if not self._fresh(asked):
                alive = await rows(
                    """SELECT DISTINCT jsonb_array_elements_text(queues) AS queue FROM worker
                    WHERE heartbeat_at > now() - make_interval(secs => $1) AND wish IS NULL""",
                    [self._lease_s],
                )
                self._served = frozenset(row["queue"] for row in alive)
                modes = await self._queue.modes.read()
                self._paused = frozenset(queue for queue, mode in modes.items() if mode == QueueMode.PAUSED)
                await self._count(sorted(asked | self._queued.keys()))
                self._looked_at = time.monotonic()

    def _fresh(self, queues: set[str]) -> bool:
        return time.monotonic() - self._looked_at < LOOK_S and queues <= self._queued.keys()

    async def _count(self, queues: list[str]) -> None:
        """Count what is queued; what Redis does not tell stays as it was."""
        redis = self._queue.redis
        self._queued.update(dict.fromkeys(queues, 0))
        async with best_effort("the lengths of the queues are not known"), redis.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.zcard(queue_key(queue))
            self._queued = Counter(dict(zip(queues, await pipe.execute(), strict=True)))

    def take_in(self, queues: Iterable[str], freed: Iterable[str] = ()) -> None:
        """Count jobs that are now submitted to these queues, one for each time that a queue is named.

        Args:
            freed: where jobs were queued that they replace.

        Raises:
            QueueFull: one of the queues has as many as it may; none is counted.
        """
        new, gone = Counter(queues), Counter(queue for queue in freed if queue in self._queued)
        for queue in new:
            if self._limit and self._queued[queue] - gone[queue] >= self._limit and new[queue] > gone[queue]:
                raise QueueFull(
                    f"{self._queued[queue]:,} jobs wait in the queue {queue}; its limit is {self._limit:,} "
                    "(ARQSVC_QUEUE_LIMIT). Try again once some have begun.",
                    delay_s=FULL_S, queue=queue, queued=self._queued[queue], limit=self._limit,
                )  # fmt: skip
        self._queued.update(new)
        self._queued.subtract(gone)

    def warnings(self, queues: Iterable[str]) -> Iterator[Warned]:
        """Yield what the submitter of jobs in these queues should know."""
        for queue in sorted(set(queues)):
            if queue not in self._served:
                how = f"The job waits until one does: `arqsvc worker --queues {queue}` starts one."
                yield Warned("no_worker", queue, f"No live worker serves the queue {queue}. {how}")
            if queue in self._paused:
                how = f"The job waits until it is opened: POST /api/v1/queues/{queue}/resume."
                yield Warned("queue_paused", queue, f"The queue {queue} is paused. {how}")
            if self._long and self._queued[queue] > self._long:
                yield Warned("queue_long", queue, f"{self._queued[queue]:,} jobs wait in the queue {queue}.")
