"""One attempt of one job: claim the row, run the coroutine, record how it ended; here an error gets its meaning."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from arqsvc.errors import ArqsvcError, InvalidParams, JobFailed, Rejected, Retryable, TimedOut, UnknownKind
from arqsvc.infra import Infra
from arqsvc.infra.db import REFUSED, UNAVAILABLE
from arqsvc.infra.pool import Pool
from arqsvc.infra.storage import disk_errors, scratch_folder
from arqsvc.jobs import record
from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import Job, Result
from arqsvc.jobs.events import ProgressWriter
from arqsvc.jobs.queue import JobQueue
from arqsvc.jobs.record import Ending, Moved, State
from arqsvc.logs import bound

logger = logging.getLogger(__name__)

RECORD_S = 60.0
"""Longest time for which the end of an attempt is written again and again."""

INTERNAL = {
    "type": "/problems/internal",
    "title": "Internal error",
    "status": 500,
    "code": "internal",
    "detail": "An internal error ended this attempt. The operator finds the traceback with the attempt.",
}


@dataclass(slots=True)
class _Running:
    """A job that this worker runs now. To interrupt it, the deadline of its scope is brought forward to now."""

    interrupted: bool = False
    attempt: int | None = None
    """Its number in the ledger, once it is claimed there."""
    scope: asyncio.Timeout | None = None

    def interrupt(self) -> None:
        self.interrupted = True
        if self.scope and not self.scope.expired():
            self.scope.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        """Raise TimeoutError out of the block when the job is, or already was, interrupted."""
        async with asyncio.timeout(None) as self.scope:
            try:
                if self.interrupted:
                    self.interrupt()
                yield
            finally:
                self.scope = None


class Runner:
    """Runs attempts in the name of one worker."""

    def __init__(self, infra: Infra, pool: Pool, jobs: Mapping[str, Job[Any, Any]], worker: str, scratch: Path) -> None:
        self._infra, self._pool, self._jobs, self._worker, self._scratch = infra, pool, jobs, worker, scratch
        self._queue = JobQueue(infra.redis)
        self._running: dict[UUID, _Running] = {}
        self._stopping = False

    def interrupt(self, job: UUID) -> None:
        """End the attempt of this job, if it runs here; the row says whether that means cancelled or queued."""
        if running := self._running.get(job):
            running.interrupt()

    def interrupt_all(self) -> None:
        """End all attempts, also those that are about to begin: the worker stops."""
        self._stopping = True
        for running in self._running.values():
            running.interrupt()

    async def run(self, job: UUID, dispatch: int) -> None:
        """Do one delivery; one that is not the latest of its job is ignored."""
        if job in self._running:
            return  # the end of its last attempt is being written; the reconciler delivers it again
        running = self._running[job] = _Running(self._stopping)
        try:
            claimed = await record.start(job, dispatch, self._worker)
            if claimed is None:
                logger.info("stale delivery ignored", extra={"job_id": job, "dispatch": dispatch})
                return
            running.attempt = claimed.attempt
            with bound(job_id=str(job), attempt=claimed.attempt):
                logger.info("job started", extra={"kind": claimed.kind})
                await self._queue.forget(claimed.queue, job, dispatch)
                await self._queue.deliver([claimed])
                await self._attempt(claimed, running)
        finally:
            del self._running[job]

    async def look_after_held(self) -> None:
        """Hold what runs here against the ledger.

        Interrupted is what is to be cancelled, and what the ledger has given to another. Given back is what the ledger
        says is ours and is not: the answer to a claim was lost, or the end of an attempt could not be written.
        """
        running = {job: attempt for job, entry in self._running.items() if (attempt := entry.attempt)}
        held = {job.id: job for job in await record.held_by(self._worker)}
        for job, attempt in running.items():
            if job not in held or held[job].attempt != attempt or held[job].cancel_requested:
                self.interrupt(job)
        for job, ours in held.items():
            if job not in self._running:
                lost = Ending("lost", State.QUEUED, reason="worker_lost")
                if moved := await record.finish(job, ours.attempt, lost):
                    logger.warning("gave back a job that nobody ran", extra={"job_id": job})
                    await self._queue.deliver([moved])

    async def _attempt(self, claimed: Moved, running: _Running) -> None:
        """Run and record; a cancel from outside is recorded as the worker's stop, and let pass."""
        progress = ProgressWriter(self._infra.redis, claimed.id, claimed.seq)
        context: JobContext | None = None
        end = INTERRUPTED
        try:
            async with self._context(claimed, progress) as context:
                end = await self._perform(claimed, context, running)
        except (Exception, asyncio.CancelledError) as error:
            end = _ending(error, claimed, self._jobs.get(claimed.kind))
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            await asyncio.shield(self._record(claimed, end, progress, context))

    @asynccontextmanager
    async def _context(self, claimed: Moved, progress: ProgressWriter) -> AsyncIterator[JobContext]:
        settings = self._infra.settings
        async with (
            scratch_folder(self._scratch, f"{claimed.id}-{claimed.attempt}") as scratch,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(progress.run())
            try:
                yield JobContext(
                    claimed.id, claimed.owner, claimed.attempt, scratch, settings,
                    self._pool, self._infra.storage, progress,
                )  # fmt: skip
            finally:
                progress.close()

    async def _perform(self, claimed: Moved, context: JobContext, running: _Running) -> Ending:
        """Run the coroutine under its time limit; returns how it ended, whatever it raised."""
        job = self._jobs.get(claimed.kind)
        timeout_s = job.params.timeout_s if job else 0.0
        try:
            async with running.interruptible(), asyncio.timeout(timeout_s) as limit:
                result = await _call(job, claimed, context)
            return Ending("succeeded", State.SUCCEEDED, result=result.model_dump_json())
        except TimeoutError as error:
            if running.interrupted:
                return INTERRUPTED
            return _ending(_timed_out(timeout_s) if limit.expired() else error, claimed, job)
        except Exception as error:
            return _ending(error, claimed, job)

    async def _record(self, claimed: Moved, end: Ending, progress: ProgressWriter, context: JobContext | None) -> None:
        """Write how the attempt ended; while the database is away, for a minute, again and again."""
        kept, usage, files = progress.kept(), _usage(context), _files(context, end)
        refused = False
        wait_s, give_up = 0.1, asyncio.get_running_loop().time() + RECORD_S
        while True:
            try:
                moved = await record.finish(claimed.id, claimed.attempt, end, progress=kept, files=files, **usage)
                break
            except REFUSED as error:
                if refused:
                    raise
                refused = True
                logger.exception("the end of the attempt cannot be stored")
                end, kept, files = _ending(error, claimed, self._jobs.get(claimed.kind)), None, []
                end = replace(end, traceback=None, result=None)
            except UNAVAILABLE as error:
                if asyncio.get_running_loop().time() > give_up:
                    raise
                logger.warning("the end of the attempt is not yet stored", extra={"error": str(error)})
                await asyncio.sleep(wait_s)
                wait_s = min(5.0, 2 * wait_s)
        if moved is None:
            logger.warning("the job is another's by now; nothing is recorded")
            return
        logger.info("attempt ended", extra={"state": moved.state, "reason": end.reason})
        await self._queue.deliver([moved])


def _usage(context: JobContext | None) -> dict[str, Any]:
    return {"peak_memory_bytes": context.peak_memory_bytes, "cpu_s": context.cpu_s} if context else {}


def _files(context: JobContext | None, end: Ending) -> list[dict[str, Any]]:
    return context.files if context and end.state == State.SUCCEEDED else []


INTERRUPTED = Ending("interrupted", State.QUEUED, reason="worker_stopped")


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


def _ending(error: BaseException, claimed: Moved, job: Job[Any, Any] | None) -> Ending:
    """Return what this error means for the attempt and its job: the outcome table."""
    text = "".join(traceback.format_exception(error))
    if isinstance(error, asyncio.CancelledError):
        return INTERRUPTED
    if isinstance(error, (Rejected, JobFailed)):
        return Ending("failed", State.FAILED, error.code, error.problem(), text, failed=True)
    known = isinstance(error, Retryable)
    if not known:
        logger.error("the job raised what it must not", exc_info=error)
    problem = error.problem() if isinstance(error, ArqsvcError) and known else INTERNAL
    reason = str(problem["code"])
    if claimed.failures + 1 >= claimed.tries or job is None:
        return Ending("failed", State.FAILED, reason, problem, text, failed=True)
    delay_s = job.params.retries.delay_s(claimed.failures + 1)
    if isinstance(error, Retryable) and error.delay_s is not None:
        delay_s = error.delay_s
    return Ending("failed", State.SCHEDULED, reason, problem, text, delay_s=delay_s, failed=True)
