"""How long jobs are expected to wait and to run, from how long those of their kinds ran before.

A wait is drawn a hundred times: each job that runs, and each that stands before, takes as long as one of its kind did
once, and the slots of the queue's workers take them in turn. What is unknown of a kind, because few of it have run, is
part of the draw. So an estimate is no promise: it knows of no job that will come and overtake, and of no failure.
"""

import heapq
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from arqsvc.infra.db import rows

FEWEST = 5
"""Jobs of a kind that must have succeeded before anything is said."""
RECENT = 200
"""Jobs of a kind that are looked at, the newest."""
FRESH_S = 5.0
"""Seconds for which what was read of a kind is relied on."""
DRAWS = 100
ONE_BY_ONE = 40
"""Jobs before this one that are drawn one by one; of further ones the sum is."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds that something takes: in half of all cases no more than `p50`, in nine of ten no more than `p90`."""

    p50: float
    p90: float

    @classmethod
    def of(cls, times_s: Sequence[float]) -> Self:
        """Return the spread of at least one time."""
        ordered = sorted(times_s)
        p50, p90 = (ordered[min(len(ordered), math.ceil(part * (len(ordered) + 1))) - 1] for part in (0.5, 0.9))
        return cls(round(p50, 3), round(p90, 3))


def run_s(times_s: Sequence[float]) -> Spread | None:
    """Return how long a job runs whose kind took these times; None where they are too few."""
    return Spread.of(times_s) if len(times_s) >= FEWEST else None


def left_s(times_s: Sequence[float], ran_s: float) -> Spread | None:
    """Return how much longer a job runs; None where too few are known, or none of them took as long."""
    longer = [time_s - ran_s for time_s in times_s if time_s > ran_s]
    return Spread.of(longer) if longer and len(times_s) >= FEWEST else None


@dataclass(frozen=True, slots=True)
class Line:
    """What is between a job and its start."""

    ahead: Mapping[str, int]
    """How many jobs of each kind stand before it."""
    running: Sequence[tuple[str, float]]
    """The jobs of the queue that run: kind, and seconds so far."""
    slots: int
    """Jobs that the workers of the queue run at a time."""


def start_in_s(line: Line, history: Mapping[str, Sequence[float]]) -> Spread | None:
    """Return when a job is expected to begin; None where a kind before it is not known well enough, or nobody works.

    Args:
        line: what is before it.
        history: how long jobs of each kind took, in seconds.
    """
    kinds = {*line.ahead, *(kind for kind, _ in line.running)}
    if line.slots < 1 or any(len(history.get(kind, ())) < FEWEST for kind in kinds):
        return None
    draw = random.Random(repr((line, history)))  # noqa: S311 - nobody's secret; who asks twice hears the same
    known = {kind: _Kind.of(history[kind]) for kind in kinds}
    rests: list[tuple[str | None, list[float]]] = [(kind, known[kind].rests_s(ran_s)) for kind, ran_s in line.running]
    rests += [(None, [0.0])] * (line.slots - len(rests))
    return Spread.of([_drawn(rests, line.ahead, known, draw) for _ in range(DRAWS)])


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is known of the times of a kind, in seconds."""

    times_s: Sequence[float]
    mean_s: float
    deviation_s: float

    @classmethod
    def of(cls, times_s: Sequence[float]) -> Self:
        mean_s = math.fsum(times_s) / len(times_s)
        variance = math.fsum((time_s - mean_s) ** 2 for time_s in times_s) / (len(times_s) - 1)
        return cls(times_s, mean_s, math.sqrt(variance))

    def pace(self, draw: random.Random) -> float:
        """Return by what factor the kind may take longer on average than the few times that are known did."""
        if not self.mean_s:
            return 1.0
        few = len(self.times_s) / (len(self.times_s) - 2.5)  # they may all be of the quick ones
        return max(0.1, draw.gauss(1.0, few * self.deviation_s / self.mean_s / math.sqrt(len(self.times_s))))

    def rests_s(self, ran_s: float) -> list[float]:
        """Return how much longer a job may run; one that has outrun all others takes as long again."""
        return [time_s - ran_s for time_s in self.times_s if time_s > ran_s] or [ran_s]


def _drawn(
    rests: Sequence[tuple[str | None, list[float]]],
    ahead: Mapping[str, int],
    known: Mapping[str, _Kind],
    draw: random.Random,
) -> float:
    """Return after how many seconds a slot is free for the job behind this line, in one of many possible worlds."""
    pace: dict[str | None, float] = {None: 1.0, **{kind: each.pace(draw) for kind, each in known.items()}}
    free = [draw.choice(rest_s) * pace[kind] for kind, rest_s in rests]
    heapq.heapify(free)
    singly, together = _split(ahead)
    for kind, number in singly.items():
        for took_s in draw.choices(known[kind].times_s, k=number):
            heapq.heapreplace(free, free[0] + took_s * pace[kind])
    if not together:
        return free[0]
    sum_s = sum(number * known[kind].mean_s * pace[kind] for kind, number in together.items())
    deviation_s = math.sqrt(sum(number * known[kind].deviation_s ** 2 for kind, number in together.items()))
    return max(0.0, free[0] + draw.gauss(sum_s, deviation_s) / len(free))


def _split(ahead: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Return what is drawn one by one, and what together; of each kind in proportion."""
    part = min(1.0, ONE_BY_ONE / max(1, sum(ahead.values())))
    singly = {kind: math.ceil(number * part) for kind, number in ahead.items()}
    return singly, {kind: number - singly[kind] for kind, number in ahead.items() if number > singly[kind]}


class History:
    """How long the newest jobs of each kind ran, as of some seconds ago at most."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, list[float]]] = {}

    async def of(self, kinds: Sequence[str]) -> dict[str, list[float]]:
        """Return the times of these kinds, in seconds."""
        now = time.monotonic()
        for kind in kinds:
            if kind not in self._known or now - self._known[kind][0] > FRESH_S:
                self._known[kind] = now, await _times(kind)
        return {kind: self._known[kind][1] for kind in kinds}


async def _times(kind: str) -> list[float]:
    found = await rows(
        """SELECT extract(epoch FROM finished_at - attempted_at)::float8 AS ran_s FROM job
        WHERE state = 'succeeded' AND kind = $1 ORDER BY id DESC LIMIT $2""",
        [kind, RECENT],
    )
    return [max(0.0, row["ran_s"]) for row in found if row["ran_s"] is not None]
