"""The jobs that chaos meets, and the marks that they leave outside the service.

An attempt appends one mark to a file when it begins and one when it has done its work; so what ran, and when, is known
without the ledger. All times are of this machine's one clock, as PostgreSQL's are.
"""

import asyncio
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from arqsvc.errors import Retryable
from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import Job, Params, Result, Retries, job
from benchmarks.chaos.compute import write_slowly

QUEUE = "chaos"
AGAIN = Retries(tries=8, first_s=0.2, cap_s=1.0)
FAILURES = 2
"""Attempts in which a job that fails does so."""
_MARK = struct.Struct("=16sI?d")


class Mark(NamedTuple):
    """Where an attempt stood, and when."""

    job: UUID
    attempt: int
    done: bool
    at_s: float
    """Seconds since 1970."""


def marks_file(state_dir: Path) -> Path:
    """Return where the jobs of a service leave their marks."""
    return state_dir / "marks"


def marks(state_dir: Path) -> Iterator[Mark]:
    """Yield all marks in the order in which they were made."""
    for job_id, attempt, done, at_s in _MARK.iter_unpack(marks_file(state_dir).read_bytes()):
        yield Mark(UUID(bytes=job_id), attempt, done, at_s)


def _mark(ctx: JobContext, *, done: bool) -> None:
    """Append a mark; one write, which the kernel does not mix with another's."""
    made = _MARK.pack(ctx.job_id.bytes, ctx.attempt, done, time.time())
    with marks_file(ctx.settings.state_dir).open("ab", buffering=0) as file:
        file.write(made)


class Done(Result):
    """Which one it was."""

    n: int


class Noop(Params, kind="chaos.noop", result=Done, queue=QUEUE, retries=AGAIN):
    """Do nothing."""

    n: int


@job(Noop)
async def noop(ctx: JobContext, params: Noop) -> Done:
    _mark(ctx, done=False)
    _mark(ctx, done=True)
    return Done(n=params.n)


class Sleep(Params, kind="chaos.sleep", result=Done, queue=QUEUE, retries=AGAIN):
    """Sleep."""

    n: int
    for_s: float


@job(Sleep)
async def sleep(ctx: JobContext, params: Sleep) -> Done:
    _mark(ctx, done=False)
    await asyncio.sleep(params.for_s)
    _mark(ctx, done=True)
    return Done(n=params.n)


class Compute(Params, kind="chaos.compute", result=Done, queue=QUEUE, retries=AGAIN):
    """Stay in a child process for a while, and publish what it wrote."""

    n: int


@job(Compute)
async def compute(ctx: JobContext, params: Compute) -> Done:
    _mark(ctx, done=False)
    path = ctx.scratch / "computed.txt"
    await ctx.compute(write_slowly, path, params.n)
    await ctx.publish(path)
    _mark(ctx, done=True)
    return Done(n=params.n)


class Fail(Params, kind="chaos.fail", result=Done, queue=QUEUE, retries=AGAIN):
    """Fail in the first attempts."""

    n: int


@job(Fail)
async def fail(ctx: JobContext, params: Fail) -> Done:
    _mark(ctx, done=False)
    if ctx.attempt <= FAILURES:
        raise Retryable("not yet")
    _mark(ctx, done=True)
    return Done(n=params.n)


class Gather(Params, kind="chaos.gather", result=Done, queue=QUEUE, retries=AGAIN):
    """Read what the two jobs that it needs have done."""

    n: int

    def needs(self) -> tuple[Params, ...]:
        """One that does nothing, and one that computes."""
        return Noop(n=self.n), Compute(n=self.n)


@job(Gather)
async def gather(ctx: JobContext, params: Gather) -> Done:
    _mark(ctx, done=False)
    needed = [await ctx.needed(kind.kind, Done) for kind in (Noop, Compute)]
    _mark(ctx, done=True)
    return Done(n=min(each.result.n for each in needed))


class Share(Params, kind="chaos.share", result=Done, queue=QUEUE, retries=AGAIN):
    """Run once for all that ask for the same at the same time."""

    n: int
    """What is asked for."""

    def shared(self) -> str:
        """By its number."""
        return str(self.n)


@job(Share)
async def share(ctx: JobContext, params: Share) -> Done:
    _mark(ctx, done=False)
    await asyncio.sleep(1.0)
    path = ctx.scratch / "shared.txt"
    path.write_text(str(params.n))
    await ctx.publish(path)
    _mark(ctx, done=True)
    return Done(n=params.n)


ALL = (noop, sleep, compute, fail, gather, share)
JOBS = {one.params.kind: one for one in ALL if isinstance(one, Job)}
PARAMS: dict[str, type[Params]] = {kind: one.params for kind, one in JOBS.items()}


def submission(number: int) -> Params:
    """Return the job of this number; of fifty, three share a run, one sleeps for long, and so on."""
    match number % 50:
        case 0 | 1 | 2:
            return Share(n=number // 50)
        case 3 | 4 | 5:
            return Gather(n=number)
        case 6 | 7 | 8 | 9:
            return Fail(n=number)
        case 10:
            return Sleep(n=number, for_s=4.0)
        case place if place < 18:
            return Compute(n=number)
        case place if place < 24:
            return Sleep(n=number, for_s=1.0)
        case place if place < 34:
            return Sleep(n=number, for_s=0.01)
        case _:
            return Noop(n=number)


def as_json(params: Params) -> dict[str, Any]:
    """Return parameters as they are submitted."""
    return params.model_dump(mode="json")
