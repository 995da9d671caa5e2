"""What happens in a process, counted in memory, and added every two seconds to what the service counts in Redis.

To count is an update of a dict, so that it may stand on the way of every job. What is counted is lost with a process
that is killed, and begins anew at 0 where Redis was emptied, which Prometheus takes for a restart.
"""

import json
from bisect import bisect_left
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

from arqsvc.infra.redis import ArqRedis, best_effort
from arqsvc.infra.supervise import every, supervised

KEY = "arqsvc:counts"
"""The hash of all that the service has counted; `field` names its fields."""
PUSH_S = 2.0
MOST = 1000
"""Most series of one metric in one process; the labels of further ones are `other`."""
OTHER = "other"

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
"""Upper ends of the buckets of seconds: from a job that does nothing to one of hours."""

Field = tuple[str, tuple[str, ...], float | str]
"""One number: its metric, its labels, and `n`, or of a histogram the upper end of a bucket, or `sum`."""
N, SUM = "n", "sum"


@dataclass(frozen=True, slots=True)
class Metric:
    """What a number means."""

    name: str
    """As Prometheus has it, without `_total`."""
    doc: str
    labels: tuple[str, ...] = ()
    type: str = "counter"
    """counter, gauge or histogram."""
    buckets: tuple[float, ...] = SECONDS
    """Of a histogram, the upper ends, in ascending order; above the last is infinity."""


class Counts:
    """Numbers that only grow, by metric and labels."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[tuple[str, ...], list[float]]] = {}
        """By metric and labels, what was counted since it was taken last: the number; or the sum, and each bucket."""
        self._metrics: dict[str, Metric] = {}

    def add(self, metric: Metric, labels: tuple[str, ...] = (), n: float = 1) -> None:
        """Add to a counter."""
        try:
            self._cells[metric.name][labels][0] += n
        except KeyError:
            self._new(metric, labels)[0] += n

    def observe(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Put a value into its bucket of a histogram."""
        try:
            cell = self._cells[metric.name][labels]
        except KeyError:
            cell = self._new(metric, labels)
        cell[0] += value
        cell[1 + bisect_left(metric.buckets, value)] += 1

    def _new(self, metric: Metric, labels: tuple[str, ...]) -> list[float]:
        """Return where a series is counted, with all others once there are as many as there may be."""
        self._metrics[metric.name] = metric
        cells = self._cells.setdefault(metric.name, {})
        if labels not in cells and len(cells) >= MOST:
            labels = (OTHER,) * len(labels)
        width = 2 + len(metric.buckets) if metric.type == "histogram" else 1
        return cells.setdefault(labels, [0] * width)

    def numbers(self) -> dict[Field, float]:
        """Return what was counted since it was taken last; what is 0 is left out."""
        return {
            (name, labels, part): n
            for name, cells in self._cells.items()
            for labels, cell in cells.items()
            for part, n in zip(_parts(self._metrics[name]), cell, strict=True)
            if n
        }

    def take(self) -> dict[Field, float]:
        """Return what was counted, and begin anew."""
        taken = self.numbers()
        for cells in self._cells.values():
            for cell in cells.values():
                cell[:] = [0] * len(cell)
        return taken

    def give_back(self, taken: Mapping[Field, float]) -> None:
        """Add what was taken and could not be used."""
        for (name, labels, part), n in taken.items():
            self._cells[name][labels][_parts(self._metrics[name]).index(part)] += n


def _parts(metric: Metric) -> tuple[float | str, ...]:
    return (SUM, *metric.buckets, inf) if metric.type == "histogram" else (N,)


@asynccontextmanager
async def pushed(counts: Counts, redis: ArqRedis) -> AsyncIterator[None]:
    """Add to the counts of the service what is counted in the block, every two seconds and at its end."""
    try:
        async with supervised([("counts", lambda: every(PUSH_S, lambda: _push(counts, redis)))]):
            yield
    finally:
        await _push(counts, redis)


async def _push(counts: Counts, redis: ArqRedis) -> None:
    """Add what was counted, or keep it for the next time; if an answer is lost, that may count it twice."""
    taken, done = counts.take(), False
    try:
        if taken:
            async with best_effort("what was counted waits"), redis.pipeline(transaction=True) as pipe:
                for field, n in taken.items():
                    pipe.hincrbyfloat(KEY, _field(field), n)
                await pipe.execute()
                done = True
    finally:
        if not done:
            counts.give_back(taken)


async def counted(redis: ArqRedis) -> dict[Field, float]:
    """Return what the whole service has counted."""
    found: Mapping[bytes, bytes] = await redis.hgetall(KEY)  # type: ignore[misc]  # the stubs say it may be no coroutine
    return {_parsed(field): float(n) for field, n in found.items()}


def _field(field: Field) -> str:
    name, labels, part = field
    return json.dumps([name, *labels, str(part)])


def _parsed(text: bytes) -> Field:
    parts: list[Any] = json.loads(text)
    name, *labels, part = parts
    return name, tuple(labels), part if part in {N, SUM} else float(part)
