"""Queues as an operator sees them: open, paused or draining; how long, how old, how fast."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from arqsvc.contract import Queue
from arqsvc.infra.db import rows
from arqsvc.infra.redis import ArqRedis, best_effort
from arqsvc.jobs.move import Moved
from arqsvc.jobs.record import FINAL, QueueMode, State

MODES_S = 1.0
"""Seconds for which a process relies on what it has read of the modes."""
FLOW_S = 60
"""Seconds over which the rates of a queue are taken."""


class Modes:
    """What the queues of the service do now, as of a second ago at most."""

    def __init__(self) -> None:
        self._read_at = -MODES_S
        self._reading = asyncio.Lock()
        self._modes: Mapping[str, QueueMode] = {}

    async def read(self, *, fresh: bool = False) -> Mapping[str, QueueMode]:
        """Return the mode of each queue that is not open."""
        if fresh or self._stale:
            async with self._reading:
                if fresh or self._stale:
                    found = await rows("SELECT name, mode FROM queue WHERE mode <> 'open'")
                    self._modes = {row["name"]: QueueMode(row["mode"]) for row in found}
                    self._read_at = time.monotonic()
        return self._modes

    @property
    def _stale(self) -> bool:
        return time.monotonic() - self._read_at >= MODES_S

    async def draining(self, queues: Iterable[str]) -> list[str]:
        """Return those of these queues that take in no new jobs."""
        modes = await self.read()
        return [queue for queue in queues if modes.get(queue) == QueueMode.DRAINING]


async def set_mode(queue: str, mode: QueueMode) -> None:
    """Open, pause or drain a queue."""
    await rows(
        """WITH changed AS (INSERT INTO queue (name, mode, changed_at) VALUES ($1, $2, now())
            ON CONFLICT (name) DO UPDATE SET mode = $2, changed_at = now() RETURNING name) SELECT name FROM changed""",
        [queue, mode.value],
    )


def workers_for(jobs: int, slots: int) -> int:
    """Return how many workers run so many jobs at the same time, each of them so many in this queue.

    >>> workers_for(9, 4)
    3
    """
    return -(-jobs // max(1, slots))


async def states(redis: ArqRedis, known: Iterable[str], lease_s: float) -> list[Queue]:
    """Return all queues: those that are known, or have jobs that have not ended, or a mode, or a worker."""
    counted = await rows(
        """SELECT queue, state, count(*) AS n,
            extract(epoch FROM now() - min(queued_at) FILTER (WHERE state = 'queued'))::float8 AS oldest_s
        FROM (SELECT queue, state, queued_at FROM job WHERE state = 'queued'
            UNION ALL SELECT queue, state, NULL FROM job WHERE state = 'scheduled'
            UNION ALL SELECT queue, state, NULL FROM job WHERE state = 'blocked'
            UNION ALL SELECT queue, state, NULL FROM job WHERE state = 'running') open
        GROUP BY queue, state"""
    )
    served = await rows(
        """SELECT key AS queue, count(*) AS workers, sum(value::int)::int AS slots FROM worker, jsonb_each_text(slots)
        WHERE heartbeat_at > now() - make_interval(secs => $1) GROUP BY 1""",
        [lease_s],
    )
    modes, workers = await Modes().read(), {row["queue"]: (row["workers"], row["slots"]) for row in served}
    numbers = {(row["queue"], row["state"]): row for row in counted}
    names = sorted({*known, *modes, *workers, *(queue for queue, _ in numbers)})
    flow = await _flow(redis, names)

    def state(name: str) -> Queue:
        counts = {
            one: numbers[name, one]["n"] if (name, one) in numbers else 0 for one in State if one not in FINAL
        }  # fmt: skip
        oldest = numbers[name, State.QUEUED]["oldest_s"] if counts[State.QUEUED] else 0.0
        came, went = flow.get(name, (0.0, 0.0))
        serving, slots = workers.get(name, (0, 0))
        return Queue(
            queue=name, mode=modes.get(name, QueueMode.OPEN).value, queued=counts[State.QUEUED],
            scheduled=counts[State.SCHEDULED], blocked=counts[State.BLOCKED], running=counts[State.RUNNING],
            oldest_s=max(0.0, oldest), in_per_s=came, out_per_s=went, workers=serving, slots=slots,
        )  # fmt: skip

    return [state(name) for name in names]


def count_flow(pipe: Any, moved: Iterable[Moved]) -> None:
    """Count what these changes put into and took out of each queue."""
    counts = Counter(
        (job.queue, "out" if job.state in FINAL else "in")
        for job in moved
        if job.state in FINAL or job.state == State.QUEUED
    )
    minute = int(time.time()) // FLOW_S
    for (queue, way), n in counts.items():
        key = _flow_key(queue, minute)
        pipe.hincrby(key, way, n)
        pipe.expire(key, 3 * FLOW_S)


def _flow_key(queue: str, minute: int) -> str:
    return f"arqsvc:flow:{queue}:{minute}"


async def _flow(redis: ArqRedis, queues: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return the rates in and out of each queue: this minute's, with the rest of the minute taken from the last."""
    found: dict[str, tuple[float, float]] = {}
    minute, part = divmod(time.time(), FLOW_S)
    async with best_effort("the rates of the queues are not known"), redis.pipeline(transaction=False) as pipe:
        for queue in queues:
            for number in (minute, minute - 1):
                pipe.hmget(_flow_key(queue, int(number)), ["in", "out"])
        answers = await pipe.execute()
        for index, queue in enumerate(queues):
            now, before = (tuple(int(n or 0) for n in answers[2 * index + k]) for k in (0, 1))
            rest = 1 - part / FLOW_S
            found[queue] = ((now[0] + rest * before[0]) / FLOW_S, (now[1] + rest * before[1]) / FLOW_S)
    return found
