"""The attempts that one worker runs: claim the row, run the coroutine, record how it ended."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError
from uuid6 import uuid7

from arqsvc.errors import InvalidParams, TimedOut, UnknownKind
from arqsvc.infra import Infra
from arqsvc.infra.db import REFUSED, UNAVAILABLE
from arqsvc.infra.http import Http
from arqsvc.infra.pool import Pool
from arqsvc.infra.storage import disk_errors, scratch_folder
from arqsvc.jobs import ledger
from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import Job, Result
from arqsvc.jobs.events import ProgressWriter
from arqsvc.jobs.ledger import Ending, Moved
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
        self._runs: dict[UUID, Run] = {}
        self._stopping = False

    async def interrupt(self, job: UUID) -> None:
        """End the attempt of this job, if it runs here; the row says whether that means cancelled or queued.

        Others that share its run go on.
        """
        if not (run := self._runs.get(job)):
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

    async def run(self, job: UUID, dispatch: int) -> None:
        """Do one delivery; one that is not the latest of its job is ignored."""
        if job in self._runs:
            return  # the end of its last attempt is being written; the reconciler delivers it again
        run = self._runs[job] = Run(self._stopping)
        try:
            claimed = await ledger.start(job, dispatch, self._worker)
            if claimed is None:
                logger.info("stale delivery ignored", extra={"job_id": job, "dispatch": dispatch})
                return
            with bound(job_id=str(job), attempt=claimed.attempt):
                await self._claimed(claimed, run)
        finally:
            for member in [job, *run.members]:
                if self._runs.get(member) is run:
                    del self._runs[member]

    async def look_after_held(self) -> None:
        """Hold what runs here against the ledger.

        Interrupted is what is to be cancelled, and what the ledger has given to another. Taken in is what is to share
        a run. Given back is what the ledger says is ours and is not: the answer to a claim was lost, the end of an
        attempt could not be written, or the run that it was to share has ended.
        """
        attempts = {job: run.members[job].attempt for job, run in self._runs.items() if job in run.members}
        held = {job.id: job for job in await ledger.held_by(self._worker)}
        for job, attempt in attempts.items():
            if job not in held or held[job].attempt != attempt or held[job].cancel_requested:
                await self.interrupt(job)
        for ours in held.values():
            if ours.id not in self._runs and not self._joined(ours):
                await self._give_back(ours)

    async def _give_back(self, job: Moved) -> None:
        if moved := await ledger.finish(job.id, job.attempt, TOO_LATE if job.shared else LOST):
            logger.warning("gave back a job that nobody ran", extra={"job_id": job.id})
            await self._queue.deliver(moved)

    def _joined(self, job: Moved) -> bool:
        """Make a job share a run that goes on here; returns whether there is one."""
        run = next((run for run in self._runs.values() if run.shares_with(job)), None)
        if run is None or job.cancel_requested:
            return False
        run.join(job)
        self._runs[job.id] = run
        logger.info("job shares a run", extra={"job_id": job.id, "runs": len(run.members)})
        return True

    async def _claimed(self, claimed: Moved, run: Run) -> None:
        """Run what was claimed, unless a run that it shares goes on already, here or on another worker."""
        logger.info("job started", extra={"kind": claimed.kind})
        await self._queue.forget(claimed.queue, claimed.id, claimed.dispatch)
        await self._queue.deliver([claimed])
        if claimed.worker != self._worker:
            await self._queue.tell(claimed.worker, claimed.id)
        elif run.interrupted or not self._joined(claimed):
            run.members[claimed.id] = claimed
            await self._attempt(claimed, run)

    async def _attempt(self, claimed: Moved, run: Run) -> None:
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
            await asyncio.shield(self._record_all(outcome, run, context))

    @asynccontextmanager
    async def _context(self, claimed: Moved, run: Run) -> AsyncIterator[JobContext]:
        means = self._means
        async with (
            scratch_folder(means.scratch, f"{claimed.id}-{claimed.attempt}") as scratch,
            asyncio.TaskGroup() as group,
        ):
            progress = ProgressWriter(means.infra.redis, {claimed.id: claimed.seq})
            group.create_task(progress.run())
            try:
                run.progress = progress
                yield JobContext(
                    claimed.id, claimed.owner, claimed.attempt, scratch, means.infra.settings, means.http,
                    means.infra.storage, means.pool, means.settings, progress,
                )  # fmt: skip
            finally:
                progress.close()

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
        members = list(run.members.values())
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
        """Write how an attempt ended, and tell of it."""
        with bound(job_id=str(member.id), attempt=member.attempt):
            moved = await self._finish(member, end, context, kept)
            if not moved:
                logger.warning("the job is another's by now; nothing is recorded")
                return
            logger.info("attempt ended", extra={"state": moved[0].state, "reason": end.reason})
            await self._queue.deliver(moved)

    async def _finish(
        self, member: Moved, end: Ending, context: JobContext | None, kept: Mapping[str, Any] | None
    ) -> list[Moved]:
        """Write how an attempt ended; while the database is away, for a minute, again and again."""
        usage, files = _usage(context), _files(context, end)
        refused = False
        wait_s, give_up = 0.1, asyncio.get_running_loop().time() + RECORD_S
        while True:
            try:
                return await ledger.finish(member.id, member.attempt, end, progress=kept, files=files, **usage)
            except REFUSED as error:
                if refused:
                    raise
                refused = True
                logger.exception("the end of the attempt cannot be stored")
                job = self._means.jobs.get(member.kind)
                delay_s = job.params.retries.delay_s(member.failures + 1) if job else 0.0
                end = replace(ending(error, member, job, delay_s=delay_s), traceback=None, result=None)
                kept, files = None, []
            except UNAVAILABLE as error:
                if asyncio.get_running_loop().time() > give_up:
                    raise
                logger.warning("the end of the attempt is not yet stored", extra={"error": str(error)})
                await asyncio.sleep(wait_s)
                wait_s = min(5.0, 2 * wait_s)


def _usage(context: JobContext | None) -> dict[str, Any]:
    return {"peak_memory_bytes": context.peak_memory_bytes, "cpu_s": context.cpu_s} if context else {}


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
    with disk_errors(context.scratch):
        result: Result = await job.run(context, params)
    return result


def _timed_out(timeout_s: float) -> TimedOut:
    return TimedOut(
        f"The job ran past its limit of {timeout_s:g} s and was ended. Give it a smaller input.", timeout_s=timeout_s
    )
