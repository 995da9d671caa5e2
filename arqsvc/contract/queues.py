"""Queues, and how many workers they need."""

from typing import Literal

from arqsvc.contract.answer import Answer


class Queue(Answer):
    """A queue as it stands."""

    queue: str
    mode: Literal["open", "paused", "draining"]
    queued: int
    """Jobs that a worker may begin now."""
    scheduled: int
    blocked: int
    running: int
    oldest_s: float
    """Seconds for which the job that has waited longest is queued; 0 where none is."""
    in_per_s: float
    """Jobs a second that were queued, over the last minute."""
    out_per_s: float
    """Jobs a second that ended, over the last minute."""
    workers: int
    """Live workers that serve it."""
    slots: int
    """How many of its jobs they run at a time, all together."""


class QueueList(Answer):
    """All queues."""

    items: list[Queue]


class Scaling(Answer):
    """How many workers a queue needs."""

    queue: str
    queued: int
    running: int
    oldest_s: float
    """Seconds for which the job that has waited longest is queued; 0 where none is."""
    slots: int
    """How many of its jobs its live workers run at a time, all together."""
    workers: int
    """Live workers that serve it."""
    desired: int
    """Workers that would run all that is queued and running at the same time; what is queued in a paused queue counts
    for nothing."""


class ScalingList(Answer):
    """How many workers each queue needs."""

    items: list[Scaling]


class QueueChanged(Answer):
    """The mode that a queue has now."""

    queue: str
    mode: Literal["open", "paused", "draining"]


class QueuePurged(Answer):
    """How many jobs of a queue were cancelled."""

    queue: str
    purged: int
