"""What a trial is made of: how many jobs, for how long, and which disturbance when; the same for the same seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

WORKERS = 3
LONG = ("worker stopped", "link deaf")
"""Disturbances of a worker that last; all others are over in a moment."""
KINDS = (
    *LONG,
    "worker killed",
    "child killed",
    "API killed",
    "Valkey killed",
    "Valkey flushed",
    "Valkey restarted empty",
    "PostgreSQL restarted",
    "PostgreSQL crashed",
    "link broken",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A trial; the defaults are those of the service, and `python -m benchmarks.chaos`."""

    jobs: int = 10_000
    seed: int = 1
    seconds: float = 300.0
    """How long disturbances begin, and jobs are submitted."""
    pause_s: tuple[float, float] = (2.0, 6.0)
    """Least and longest time between the beginnings of two disturbances."""
    lasting_s: float = 40.0
    """How long a worker is stopped, or a link deaf."""
    settle_s: float = 240.0
    """Longest time for which the jobs may take to end once all is quiet."""
    heartbeat_s: float = 5.0
    lease_s: float = 20.0
    reconcile_s: float = 5.0
    concurrency: int = 8


@dataclass(frozen=True, slots=True)
class Planned:
    """One disturbance."""

    at_s: float
    """Seconds since the first job was submitted."""
    what: str
    worker: int
    """Which one, where it concerns one: 0..WORKERS - 1."""
    pick: float
    """In 0..1: which of the children, links and so on that there are then."""


def schedule(plan: Plan) -> Sequence[Planned]:
    """Return the disturbances in their order: each once in a random order, then each again.

    Two workers at most are stopped or cut off at the same time, and those meet nothing else meanwhile.
    """
    random, at_s = Random(plan.seed), 0.0
    planned, waiting, free_at_s = list[Planned](), list[str](), [0.0] * WORKERS
    while (at_s := at_s + random.uniform(*plan.pause_s)) < plan.seconds:
        free = [worker for worker in range(WORKERS) if free_at_s[worker] <= at_s]
        waiting = waiting or random.sample(KINDS, len(KINDS))
        what = next((kind for kind in waiting if kind not in LONG or len(free) > 1), None)
        if what is None:
            continue
        waiting.remove(what)
        worker = random.choice(free)
        if what in LONG:
            free_at_s[worker] = at_s + plan.lasting_s
        planned.append(Planned(at_s, what, worker, random.random()))
    return planned
