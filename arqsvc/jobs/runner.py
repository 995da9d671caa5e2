"""The attempts that one worker runs: claim the row, run the coroutine, record how it ended."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError
from uuid6 import uuid7

from arqsvc.errors import ArqsvcError, InvalidParams, TimedOut, UnknownKind
from arqsvc.infra import Infra
from arqsvc.infra.db import REFUSED, UNAVAILABLE
from arqsvc.infra.grouped import Grouped
from arqsvc.infra.http import Http
from arqsvc.infra.pool import Pool
from arqsvc.infra.storage import ScratchFolder, disk_errors
from arqsvc.jobs import ledger
from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import Job, Result
from arqsvc.jobs.events import ProgressSender, ProgressWriter
from arqsvc.jobs.ledger import Ended, Ending, Moved
from arqsvc.jobs.queue import JobQueue
from arqsvc.jobs.record import State
from arqsvc.jobs.run import INTERRUPTED, LOST, TOO_LATE, Interrupted, Outcome, Run, ending
from arqsvc.logs import bound

logger = logging.getLogger(__name__)

RECORD_S = 60.0
"""Longest time for which the end of an attempt is written again and again."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the jobs of one worker work with."""

    infra: Infra
    pool: Pool
    http: Http
    jobs: Mapping[str, Job[Any, Any]]
    """Every kind that it can do."""
    scratch: Path
    settings: Mapping[type[BaseModel], BaseModel]
    """The settings of the families, by their class."""


class Runner:
    """Runs attempts in the name of one worker."""

    def __init__(self, means: Means, worker: str) -> None:
        self._means, self._worker = means, worker
        self._queue = JobQueue(means.infra.redis)
        self._progress = ProgressSender(means.infra.redis)
        self._ledger = Grouped(self._finish_all, alone=REFUSED)
        self._runs: dict[UUID, Run] = {}
        self._open: dict[tuple[str, str | None], Run] = {}
        """Runs that others may still join, by kind and key."""
        self._stopping = False

    @property
    def loops(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """What must run for as long as attempts do."""
        return [("progress", self._progress.run), ("ledger", self._ledger.run)]

    async def interrupt(self, job: UUID, attempt: int | None = None) -> None:
        """End the attempt of this job, if it runs here; the row says whether that means cancelled or queued.

        Others that share its run go on. `attempt` is the one that is meant, None for whichever runs.
        """
        if not (run := self._runs.get(job)):
            return
        if attempt and (job not in run.members or run.members[job].attempt != attempt):
            return
        if len(run.members) < 2:
            run.interrupt()
        else:
            del self._runs[job]
            kept = run.progress.leave(job) if run.progress else None
            await self._record(run.members.pop(job), INTERRUPTED, None, kept)

    def interrupt_all(self) -> None:
        """End all attempts, also those that are about to begin: the worker stops."""
        self._stopping = True
        for run in self._runs.values():
            run.interrupt()

    async def claim(self, deliveries: Sequence[tuple[UUID, int]]) -> list[tuple[Moved, Run]]:
        """Claim in the ledger what was taken out of a queue; what is not the latest delivery of its job is ignored.

        Left out is what another worker runs already, to be shared.
        """
        runs = {job: Run(self._stopping) for job, _ in deliveries if job not in self._runs}
        self._runs.update(runs)
        started: list[Moved] = []
        try:
            started = await ledger.start(
                [each for each in deliveries if each[0] in runs], self._worker, self._means.infra.settings.lease_s
            )
        finally:
            left = runs.keys() - {job.id for job in started}
            self._forget([runs[job] for job in left], left)
        await self._queue.deliver(started)
        return [(job, runs[job.id]) for job in started]

    async def run(self, claimed: Moved, run: Run, over: Callable[[], None]) -> None:
        """Run what was claimed, unless a run that it shares goes on already, here or on another worker.

        `over` is called once the work has ended, while its end is yet to be written.
        """
        try:
            with bound(job_id=str(claimed.id), attempt=claimed.attempt):
                logger.info("job started", extra={"kind": claimed.kind})
                if claimed.worker != self._worker:
                    await self._queue.tell(claimed.worker, claimed.id)
                elif run.interrupted:
                    await self._record(claimed, INTERRUPTED, None, None)
                elif not self._joined(claimed):
                    run.members[claimed.id] = claimed
                    await self._attempt(claimed, run, over)
        finally:
            self._forget([run], [claimed.id, *run.members])

    def _forget(self, runs: Collection[Run], jobs: Iterable[UUID]) -> None:
        for job in list(jobs):
            if self._runs.get(job) in runs:
                del self._runs[job]

    async def look_after_held(self) -> None:
        """Hold what runs here against the ledger.

        Interrupted is what is to be cancelled, and what the ledger has given to another. Taken in is what is to share
        a run. Given back is what the ledger says is ours and is not: the answer to a claim was lost, the end of an
        attempt could not be written, or the run that it was to share has ended.
        """
        attempts = {
            job: run.members[job].attempt for job, run in self._runs.items() if job in run.members and run.progress
        }
        held = {job.id: job for job in await ledger.held_by(self._worker)}
        for job, attempt in attempts.items():
            if job not in held or held[job].attempt != attempt or held[job].cancel_requested:
                await self.interrupt(job, attempt)
        strays = [job for job in held.values() if job.id not in self._runs]
        joined = [job.id for job in strays if self._joined(job)]
        if joined:
            await ledger.taken_in(joined, self._worker)
        async with asyncio.TaskGroup() as group:
            for stray in strays:
                if stray.id not in self._runs:
                    group.create_task(self._give_back(stray))

    async def _give_back(self, job: Moved) -> None:
        logger.warning("gave back a job that nobody ran", extra={"job_id": job.id})
        await self._record(job, TOO_LATE if job.shared else LOST, None, None)

    def _joined(self, job: Moved) -> bool:
        """Make a job share a run that goes on here; returns whether there is one."""
        run = self._open.get((job.kind, job.shared))
        if run is None or job.cancel_requested:
            return False
        run.join(job)
        self._runs[job.id] = run
        logger.info("job shares a run", extra={"job_id": job.id, "runs": len(run.members)})
        return True

    async def _attempt(self, claimed: Moved, run: Run, over: Callable[[], None]) -> None:
        """Run and record; a cancel from outside is recorded as the worker's stop, and let pass."""
        context: JobContext | None = None
        outcome: Outcome = Interrupted()
        try:
            async with self._context(claimed, run) as context:
                outcome = await self._perform(claimed, context, run)
        except (Exception, asyncio.CancelledError) as error:
            outcome = error
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            over()
            await asyncio.shield(self._record_all(outcome, run, context))

    @asynccontextmanager
    async def _context(self, claimed: Moved, run: Run) -> AsyncIterator[JobContext]:
        means = self._means
        async with ScratchFolder(means.scratch / f"{claimed.id}-{claimed.attempt}") as scratch:
            progress = run.progress = ProgressWriter(self._progress, {claimed.id: claimed.seq})
            if claimed.shared:
                self._open[claimed.kind, claimed.shared] = run
            try:
                yield JobContext(
                    claimed.id, claimed.owner, claimed.attempt, scratch, means.infra.settings, means.http,
                    means.infra.storage, means.pool, means.settings, progress,
                )  # fmt: skip
            finally:
                await progress.close()

    async def _perform(self, claimed: Moved, context: JobContext, run: Run) -> Outcome:
        """Run the coroutine under its time limit; returns what came of it, whatever it raised."""
        job = self._means.jobs.get(claimed.kind)
        timeout_s = job.params.timeout_s if job else 0.0
        try:
            async with run.interruptible(), asyncio.timeout(timeout_s) as limit:
                return await _call(job, claimed, context)
        except TimeoutError as error:
            if run.interrupted:
                return Interrupted()
            return _timed_out(timeout_s) if limit.expired() else error
        except Exception as error:
            return error

    async def _record_all(self, outcome: Outcome, run: Run, context: JobContext | None) -> None:
        """Write how the run ended for each of its jobs; those that try again do so at the same time."""
        if isinstance(outcome, Exception) and not isinstance(outcome, (ArqsvcError, Interrupted)):
            logger.error("the job raised what it must not", exc_info=outcome)
        members = list(run.members.values())
        if self._open.get(key := (members[0].kind, members[0].shared)) is run:
            del self._open[key]
        job = self._means.jobs.get(members[0].kind)
        delay_s = job.params.retries.delay_s(max(member.failures for member in members) + 1) if job else 0.0
        progress, run.progress = run.progress, None
        async with asyncio.TaskGroup() as group:
            for member in members:
                end = ending(outcome, member, job, delay_s=delay_s)
                kept = progress.leave(member.id) if progress else None
                group.create_task(self._record(member, end, context, kept))

    async def _record(
        self, member: Moved, end: Ending, context: JobContext | None, kept: Mapping[str, Any] | None
    ) -> None:
        """Write how an attempt ended; while the database is away, for a minute, again and again."""
        peak, cpu_s = (context.peak_memory_bytes, context.cpu_s) if context else (None, None)
        ended = Ended(member.id, member.attempt, end, kept, peak, cpu_s, _files(context, end))
        wait_s, give_up = 0.1, asyncio.get_running_loop().time() + RECORD_S
        with bound(job_id=str(member.id), attempt=member.attempt):
            while True:
                try:
                    moved = await self._ledger(ended)
                    break
                except REFUSED as error:
                    if ended.end is not end:
                        raise
                    logger.exception("the end of the attempt cannot be stored")
                    ended = Ended(member.id, member.attempt, self._unstorable(member, error))
                except UNAVAILABLE as error:
                    if asyncio.get_running_loop().time() > give_up:
                        logger.exception("the end of the attempt is not stored; the job is given back")
                        return
                    logger.warning("the end of the attempt is not yet stored", extra={"error": str(error)})
                    await asyncio.sleep(wait_s)
                    wait_s = min(5.0, 2 * wait_s)
            if moved is None:
                logger.warning("the job is another's by now; nothing is recorded")
            else:
                logger.info("attempt ended", extra={"state": moved.state, "reason": ended.end.reason})

    def _unstorable(self, member: Moved, error: Exception) -> Ending:
        job = self._means.jobs.get(member.kind)
        delay_s = job.params.retries.delay_s(member.failures + 1) if job else 0.0
        return replace(ending(error, member, job, delay_s=delay_s), traceback=None, result=None)

    async def _finish_all(self, ended: Sequence[Ended]) -> list[Moved | None]:
        """Write how these attempts ended, and tell of it; returns for each its job, None where it holds it no more."""
        moved = await ledger.finish(ended)
        await self._queue.deliver(moved)
        by_id = {job.id: job for job in moved}
        await self._queue.let_go(by_id[job] for job in by_id.keys() - {each.id for each in ended})
        return [by_id.get(each.id) for each in ended]


def _files(context: JobContext | None, end: Ending) -> list[dict[str, Any]]:
    """Return the rows of what was published, under ids of their own for each job of the run."""
    published = context.files if context and end.state == State.SUCCEEDED else []
    return [{**row, "id": str(uuid7())} for row in published]


async def _call(job: Job[Any, Any] | None, claimed: Moved, context: JobContext) -> Result:
    if job is None:
        raise UnknownKind(f"This worker knows no kind {claimed.kind!r}. Update the worker, then retry the job.")
    try:
        params = job.params.model_validate(claimed.params)
    except ValidationError as error:
        raise InvalidParams(f"The stored parameters do not fit {claimed.kind}: {error}.") from error
    with disk_errors(context.scratch_folder):
        result: Result = await job.run(context, params)
    return result


def _timed_out(timeout_s: float) -> TimedOut:
    return TimedOut(
        f"The job ran past its limit of {timeout_s:g} s and was ended. Give it a smaller input.", timeout_s=timeout_s
    )
