"""Kinds of jobs."""

from typing import Any

from arqsvc.contract.answer import Answer


class KindStep(Answer):
    """A part of the work of a kind, as its progress names it."""

    name: str
    unit: str | None
    """What is counted in it; null where nothing is."""


class KindLimit(Answer):
    """How many jobs may run at a time, or start in a time, on all workers together."""

    name: str
    at_once: int | None
    """Most that run at the same time; null for any number."""
    starts: int | None
    """Most starts in `per_s` seconds; null for any number."""
    per_s: float


class KindRetries(Answer):
    """How often and when a failed attempt is repeated: the wait doubles each time, from `first_s` up to `cap_s`."""

    tries: int
    """Attempts in all that may fail."""
    first_s: float
    cap_s: float
    outage_s: float
    """Seconds after the first start for which an outage of an outside service uses up no try."""
    retry_for_s: float | None
    """Seconds after the first start behind which no further attempt begins; null for no such end."""


class Kind(Answer):
    """A kind of job: what it does, what it takes and gives, and what is promised of it."""

    kind: str
    summary: str
    """What a job of it does, in one line."""
    description: str
    queue: str
    """Where its jobs wait unless a submission says otherwise."""
    priority: int
    """1..10, 10 the most urgent."""
    timeout_s: float
    """The hard limit of an attempt's time."""
    soft_timeout_s: float
    """After these seconds an attempt is asked to end."""
    no_progress_s: float | None
    """Longest time without progress; null for any."""
    memory_bytes: int | None
    """Ceiling of each of its computations; null for the worker's own."""
    retries: KindRetries
    limits: list[KindLimit] | None
    """What its first example counts towards; null where it has limits and no example."""
    steps: list[KindStep]
    """What its progress tells, in this order; a run may leave some out. Empty where it is not declared."""
    params: dict[str, Any]
    """JSON Schema (2020-12) of `params` of a submission."""
    result: dict[str, Any]
    """JSON Schema (2020-12) of `result` of a job that has succeeded."""
    examples: list[dict[str, Any]]
    """Parameters that are accepted as they stand."""
    submit: str
    """Where to POST a submission."""


class KindList(Answer):
    """All kinds, by name."""

    items: list[Kind]
