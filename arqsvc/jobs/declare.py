"""Params (what a sender gives, and all a submitter must know), Result (what comes back), and @job."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, WithJsonSchema

if TYPE_CHECKING:
    from arqsvc.jobs.context import JobContext


SOFT = 5 / 6
"""The soft limit of time as a part of the hard one, unless a kind gives its own."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Result(_Message):
    """What a job returns: facts, as JSON. Files are published beside it."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and when a failed attempt is repeated.

    The wait before repetition n is drawn from 0..min(cap_s, first_s * 2**(n-1)): exponential with full jitter.
    """

    tries: int = 3
    """Attempts in all that may fail, 1 or more; lost and interrupted attempts do not count."""
    first_s: float = 2.0
    """Longest wait before the first repetition, in seconds."""
    cap_s: float = 600.0
    """Longest wait ever, in seconds."""
    outage_s: float = 0.0
    """Seconds after the job's first start for which an outage of an outside service uses up no try."""
    retry_for_s: float | None = None
    """Seconds after the job's first start behind which no further attempt begins; None for no such end."""

    def __post_init__(self) -> None:
        if self.tries < 1 or min(self.first_s, self.cap_s, self.outage_s) < 0:
            raise ValueError(f"{self}: tries are 1 or more, and no time is negative")

    def delay_s(self, failures: int) -> float:
        """Return a wait in seconds after this many failures (1 or more)."""
        return random.uniform(0, min(self.cap_s, self.first_s * 2 ** min(failures - 1, 30)))  # noqa: S311


@dataclass(frozen=True, slots=True)
class Limit:
    """How many jobs may run at a time, or start in a time, on all workers together.

    A job that would go past it waits, `blocked` and `limited`, and holds no worker meanwhile.
    """

    name: str
    """What the limit counts: all jobs whose limits have this name; a kind, or a kind and a value of its parameters."""
    at_once: int | None = None
    """Most jobs that run at the same time; None for any number."""
    starts: int | None = None
    """Most starts in `per_s` seconds; None for any number."""
    per_s: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= 255 or min(self.at_once or 1, self.starts or 1) < 1 or self.per_s <= 0:
            raise ValueError(f"{self}: a name has 1 to 255 characters, at_once and starts are 1 or more, per_s over 0")


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the work of a kind, as its progress names it."""

    name: str
    unit: str | None = None
    """What is counted in it, such as `bytes`; None where nothing is."""


class Params(_Message):
    """What a sender gives. A subclass declares a kind of job; its docstring says what the job does.

    `priority` is 1..10, 10 the most urgent: each step stands a minute ahead in the queue, so that nothing starves.
    After `soft_timeout_s` seconds (five sixths of `timeout_s` unless it is given) the coroutine is cancelled and may
    clean up, or return what it has; if it has not ended soon after `timeout_s` it is given up. `no_progress_s` is the
    longest time in which it may tell no progress; `memory_bytes` is the ceiling of each of its computations instead of
    the worker's. `steps` are those that its progress tells, in their order; a run may leave some out. `examples` are
    parameters that are accepted as they stand, for people who read what a kind takes.

    class Summarise(Params, kind="genomes.summarise", result=Summary, queue="downloads", timeout_s=3600): ...
    """

    kind: ClassVar[str] = ""
    result: ClassVar[type[Result]]
    queue: ClassVar[str] = "default"
    priority: ClassVar[int] = 5
    timeout_s: ClassVar[float] = 3600.0
    soft_timeout_s: ClassVar[float] = 3000.0
    no_progress_s: ClassVar[float | None] = None
    memory_bytes: ClassVar[int | None] = None
    retries: ClassVar[Retries] = Retries()
    progress_steps: ClassVar[tuple[Step, ...]] = ()
    example_params: ClassVar[tuple[Mapping[str, Any], ...]] = ()

    def __init_subclass__(
        cls,
        *,
        kind: str = "",
        result: type[Result] | None = None,
        queue: str = "default",
        priority: int = 5,
        timeout_s: float = 3600.0,
        soft_timeout_s: float | None = None,
        no_progress_s: float | None = None,
        memory_bytes: int | None = None,
        retries: Retries | None = None,
        steps: tuple[Step, ...] = (),
        examples: tuple[Mapping[str, Any], ...] = (),
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        if not kind or result is None:
            raise TypeError(f"{cls.__name__} must name its kind and its result")
        if not 1 <= priority <= 10:
            raise TypeError(f"{cls.__name__} has priority {priority}; it must be in 1..10")
        if not 0 < (timeout_s if soft_timeout_s is None else soft_timeout_s) <= timeout_s:
            raise TypeError(f"{cls.__name__} has a soft limit of {soft_timeout_s} s; it must be in 0..{timeout_s}")
        cls.kind, cls.result, cls.queue, cls.priority, cls.timeout_s = kind, result, queue, priority, timeout_s
        cls.soft_timeout_s = timeout_s * SOFT if soft_timeout_s is None else soft_timeout_s
        cls.no_progress_s, cls.memory_bytes = no_progress_s, memory_bytes
        cls.retries = retries or Retries()
        cls.progress_steps, cls.example_params = steps, examples

    def needs(self) -> "tuple[Params, ...]":
        """Return the jobs that are submitted with this one, and must succeed before it begins; by default none."""
        return ()

    def limits(self) -> tuple[Limit, ...]:
        """Return what this job counts towards on all workers together; by default nothing."""
        return ()

    def shared(self) -> str | None:
        """Return a key: jobs of this kind and key that run at the same time share one run; by default None, never.

        A run that is shared must not depend on whose job it is, and none of its results may be somebody's secret: jobs
        of all projects share it. What it logs stands in the log of each of them, so no line may say whose job it is.
        """
        return None


@dataclass(frozen=True, slots=True)
class FileReference:
    """Marks a field of Params that names a stored file: a submitter checks that it exists and may be read."""


FileId = Annotated[UUID, FileReference(), WithJsonSchema({"type": "string", "format": "uuid"})]
"""The id of a stored file, as `POST /files` returned it."""


def file_fields(params: type[Params]) -> list[str]:
    """Return the names of the fields that name stored files."""
    return [
        name
        for name, field in params.model_fields.items()
        if _is_file(field.metadata) or any(_is_file(get_args(arm)[1:]) for arm in get_args(field.annotation))
    ]


def _is_file(marks: Sequence[Any]) -> bool:
    return any(isinstance(mark, FileReference) for mark in marks)


P = TypeVar("P", bound=Params)
R = TypeVar("R", bound=Result)


@dataclass(frozen=True, slots=True)
class Job(Generic[P, R]):
    """A kind of job with the coroutine that does it."""

    params: type[P]
    run: "Callable[[JobContext, P], Awaitable[R]]"


def job(params: type[P]) -> "Callable[[Callable[[JobContext, P], Awaitable[R]]], Job[P, R]]":
    """Make the coroutine below it the one that does jobs of this kind."""

    def declare(run: "Callable[[JobContext, P], Awaitable[R]]") -> Job[P, R]:
        return Job(params, run)

    return declare
