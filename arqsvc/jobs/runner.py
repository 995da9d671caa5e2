"""The attempts that one worker runs: claim the row, run the coroutine, have its end recorded."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError
from uuid6 import uuid7

from arqsvc.errors import ArqsvcError, InvalidParams, UnknownKind
from arqsvc.infra import Infra
from arqsvc.infra.counts import Counts
from arqsvc.infra.http import Http
from arqsvc.infra.pool import Pool
from arqsvc.infra.storage import ScratchFolder, disk_errors
from arqsvc.infra.trace import Tracer, failed, join
from arqsvc.jobs import ledger, measured
from arqsvc.jobs.children import Children
from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import Job, Result
from arqsvc.jobs.joblog import JobLog, secrets_of
from arqsvc.jobs.ledger import Ended, Ending
from arqsvc.jobs.move import Claimed
from arqsvc.jobs.progress import ProgressSender, ProgressWriter
from arqsvc.jobs.queue import JobQueue
from arqsvc.jobs.record import State
from arqsvc.jobs.recorder import Record, Recorder
from arqsvc.jobs.run import (
    INTERRUPTED,
    LOST,
    TOO_LATE,
    Interrupted,
    Interruption,
    Outcome,
    Run,
    Times,
    ending,
    longest_delay_s,
)
from arqsvc.logs import bind

logger = logging.getLogger(__name__)

LEFT_S = 0.01
"""Seconds between two looks whether those that were given up have ended."""


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
    counts: Counts
    """Where it is counted what happens."""


class Runner:
    """Runs attempts in the name of one worker."""

    def __init__(self, means: Means, worker: str, queue: JobQueue) -> None:
        self._means, self._worker, self._queue = means, worker, queue
        self.counts, self._children = means.counts, Children(means.pool, means.counts, means.infra.tracer)
        self._progress = ProgressSender(means.infra.redis)
        self.recorder = Recorder(queue, means.counts)
        self.log = JobLog(secrets_of([means.infra.settings, *means.settings.values()]))
        self._runs: dict[UUID, Run] = {}
        """What was claimed here and whose end is not recorded yet."""
        self._open: dict[tuple[str, str | None], Run] = {}
        """Runs that others may still join, by kind and key."""
        self._stopping = False
        self.left = 0
        """Coroutines that were given up and have not ended."""

    @property
    def loops(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """What must run for as long as attempts do."""
        return [("progress", self._progress.run), ("recorder", self.recorder.run), ("log", self.log.run)]

    async def alone(self) -> None:
        """Return once no coroutine goes on that was given up."""
        while self.left:  # noqa: ASYNC110 - looked at once in the life of a worker
            await asyncio.sleep(LEFT_S)

    def interrupt(self, job: UUID, attempt: int | None = None, grace_s: float | None = None) -> None:
        """End the attempt of this job, if it runs here; the row says whether that means cancelled or queued.

        Others that share its run go on. `attempt` is the one that is meant, None for whichever runs; `grace_s` how long
        it may take to clean up, None for what the worker grants.
        """
        if not (run := self._runs.get(job)):
            return
        member = run.members.get(job)
        if run.members and (member is None or (attempt and member.attempt != attempt)):
            return
        if len(run.members) < 2:
            run.interrupt(Interruption.CANCELLED, grace_s)
        elif run.progress:
            self._record(run.members.pop(job), INTERRUPTED, None, run.progress.leave(job))

    def interrupt_all(self, *, grace_s: float | None = None) -> None:
        """End all attempts, also those that are about to begin: the worker stops."""
        self._stopping = True
        for run in set(self._runs.values()):
            run.interrupt(Interruption.WORKER_STOPS, grace_s)

    async def claim(self, deliveries: Sequence[tuple[UUID, int]]) -> list[tuple[Claimed, Run]]:
        """Claim in the ledger what was taken out of a queue; what is not the latest delivery of its job is ignored.

        Left out is what another worker runs already, to be shared. Who gets it runs it, and then tells of it.
        """
        why = Interruption.WORKER_STOPS if self._stopping else None
        runs = {job: Run(interruption=why) for job, _ in deliveries if job not in self._runs}
        self._runs.update(runs)
        started: list[Claimed] = []
        try:
            started = await ledger.start(
                [each for each in deliveries if each[0] in runs], self._worker, self._means.infra.settings.lease_s
            )
        finally:
            for job in runs.keys() - {job.id for job in started}:
                self._forget(job, runs[job])
        measured.began(self._means.counts, started)
        return [(job, runs[job.id]) for job in started]

    async def tell(self, claims: Iterable[tuple[Claimed, Run]]) -> None:
        """Tell followers that these jobs run."""
        await self._queue.deliver(claimed for claimed, _ in claims)

    async def run(self, claimed: Claimed, run: Run, over: Callable[[], None]) -> None:
        """Run what was claimed, unless a run that it shares goes on already, here or on another worker.

        `over` is called once the work has ended, while its end is yet to be written.
        """
        bind(job_id=str(claimed.id), attempt=claimed.attempt)
        if claimed.trace:
            join(claimed.trace)
        logger.info("job started", extra={"kind": claimed.kind})
        if claimed.worker != self._worker:
            self._forget(claimed.id, run)
            over()
            await self._queue.tell(claimed.worker, claimed.id)
        elif run.interruption:
            over()
            self._record(claimed, INTERRUPTED, None, None)
        elif self._joined(claimed):
            over()
        else:
            run.members[claimed.id] = claimed
            if tracer := self._means.infra.tracer:
                await self._traced(tracer, claimed, run, over)
            else:
                await self._attempt(claimed, run, over)

    def _forget(self, job: UUID, run: Run) -> None:
        if self._runs.get(job) is run:
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
                self.interrupt(job, attempt, held[job].cancel_grace_s if job in held else None)
        strays = [job for job in held.values() if job.id not in self._runs]
        if joined := [job.id for job in strays if self._joined(job)]:
            await ledger.taken_in(joined, self._worker)
        for stray in strays:
            if stray.id not in self._runs:
                logger.warning("gave back a job that nobody ran", extra={"job_id": stray.id})
                self._runs[stray.id] = Run()
                self._record(stray, TOO_LATE if stray.shared else LOST, None, None)

    def _joined(self, job: Claimed) -> bool:
        """Make a job share a run that goes on here; returns whether there is one."""
        run = self._open.get((job.kind, job.shared))
        if run is None or job.cancel_requested:
            return False
        run.join(job)
        self._runs[job.id] = run
        logger.info("job shares a run", extra={"job_id": job.id, "runs": len(run.members)})
        return True

    async def _traced(self, tracer: Tracer, claimed: Claimed, run: Run, over: Callable[[], None]) -> None:
        """Run it in a span of its own; one that others share stands in the trace of the first."""
        facts = {
            "arqsvc.job.id": str(claimed.id), "arqsvc.job.kind": claimed.kind, "arqsvc.job.queue": claimed.queue,
            "arqsvc.job.attempt": claimed.attempt, "arqsvc.job.waited_s": claimed.waited_s,
            "arqsvc.worker": self._worker,
        }  # fmt: skip
        with tracer.span(f"run {claimed.kind}", "consumer", facts) as span:
            await self._attempt(claimed, run, over)
            if run.came_to:
                span.set_attribute("arqsvc.job.outcome", run.came_to.outcome)
                if run.came_to.failed:
                    failed(span, run.came_to.reason or "failed")

    async def _attempt(self, claimed: Claimed, run: Run, over: Callable[[], None]) -> None:
        """Run the coroutine and have its end recorded, once: when it ends, or when it is given up."""
        means, job, loop = self._means, self._means.jobs.get(claimed.kind), asyncio.get_running_loop()
        scratch = ScratchFolder(means.scratch, f"{claimed.id}-{claimed.attempt}")
        run.progress = ProgressWriter(self._progress, {claimed.id: claimed.seq})
        if claimed.shared:
            self._open[claimed.kind, claimed.shared] = run
        settings, begun_at = means.infra.settings, loop.time()
        memory_bytes = (job and job.params.memory_bytes) or settings.child_memory_bytes
        context = JobContext(
            claimed.id, claimed.kind, claimed.project, claimed.attempt, claimed.checkpoint, settings, means.http,
            means.infra.storage, scratch, means.settings, self.log, run, self._children, memory_bytes,
        )  # fmt: skip

        def ended(outcome: Outcome) -> None:
            if run.progress:
                over()
                self._record_all(run.judged(outcome), run, context, loop.time() - begun_at)

        def given_up() -> None:
            logger.error("a coroutine that was cancelled did not end in time and is left to itself")
            self.left += 1
            ended(TimeoutError())

        self.log.belongs_to(run)
        run.begin(Times.of(job, claimed, settings.cancel_grace_s), given_up)
        outcome: Outcome = Interrupted()
        try:
            with disk_errors(means.scratch):
                outcome = await _call(job, claimed, context)
        except Exception as error:
            outcome = error
        except asyncio.CancelledError as error:
            outcome = error
            if not (run.interruption or _cancelled()):  # it lets pass the cancel of a task of its own: a bug
                outcome = RuntimeError("the coroutine raised CancelledError, and nobody had cancelled it")
                outcome.__cause__ = error
            elif not run.interruption:
                outcome = Interrupted()
                raise
        finally:
            run.rest()
            try:
                if scratch.is_made:
                    await scratch.remove()
            finally:
                self.left -= run.progress is None
                ended(outcome)

    def _record_all(self, outcome: Outcome, run: Run, context: JobContext, took_s: float) -> None:
        """Have recorded how the run ended for each of its jobs; those that try again do so at the same time."""
        try:
            ends = self._ends(outcome, run, took_s)
        except Exception as error:  # a result that is no JSON
            outcome = error
            ends = self._ends(outcome, run, took_s)
        if isinstance(outcome, Exception) and not isinstance(outcome, (ArqsvcError, Interrupted)):
            logger.error("the job raised what it must not", exc_info=outcome)
        progress, first = run.progress, ends[0][0]
        run.came_to = ends[0][1]
        run.end()
        if self._open.get((first.kind, first.shared)) is run:
            del self._open[first.kind, first.shared]
        for member, end in ends:
            self._record(member, end, context, progress.leave(member.id) if progress else None, took_s)

    def _ends(self, outcome: Outcome, run: Run, took_s: float) -> list[tuple[Claimed, Ending]]:
        """Return what the outcome means for each job of a run; one that joined when it was being ended tries again."""
        members = list(run.members.values())
        job = self._means.jobs.get(members[0].kind)
        delay_s = 0.0 if isinstance(outcome, Result) else longest_delay_s(members, job)

        def end(member: Claimed) -> Ending:
            if member.id in run.late and not isinstance(outcome, Result):
                return TOO_LATE
            return ending(outcome, member, job, delay_s=delay_s, took_s=took_s)

        return [(member, end(member)) for member in members]

    def _record(
        self,
        member: Claimed,
        end: Ending,
        context: JobContext | None,
        kept: Mapping[str, Any] | None,
        took_s: float | None = None,
    ) -> None:
        """Have recorded how the attempt of one job ended."""
        peak, cpu_s = (context.peak_memory_bytes, context.cpu_s) if context else (None, None)
        self.log.ended(member.id, member.attempt)
        files = _files(context.files) if context and end.state == State.SUCCEEDED else ()
        ended = Ended(member.id, member.attempt, end, kept, peak, cpu_s, files)
        done = partial(self._runs.pop, member.id, None)
        self.recorder.add(Record(member, ended, partial(self._unstorable, member), done, took_s))

    def _unstorable(self, member: Claimed, error: Exception) -> Ended:
        job = self._means.jobs.get(member.kind)
        end = ending(error, member, job, delay_s=longest_delay_s([member], job), took_s=0.0)
        return Ended(member.id, member.attempt, replace(end, traceback=None, result=None))


def _cancelled() -> bool:
    """Whether somebody has asked for the end of the current task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _files(published: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of what was published, under ids of their own for each job of the run."""
    return [{**row, "id": str(uuid7())} for row in published]


async def _call(job: Job[Any, Any] | None, claimed: Claimed, context: JobContext) -> Result:
    if job is None:
        raise UnknownKind(f"This worker knows no kind {claimed.kind!r}. Update the worker, then retry the job.")
    try:
        params = job.params.model_validate(claimed.params)
    except ValidationError as error:
        raise InvalidParams(f"The stored parameters do not fit {claimed.kind}: {error}.") from error
    wanted: type[Result] = job.params.result
    returned = await job.run(context, params)
    if not isinstance(returned, wanted):
        raise TypeError(f"{claimed.kind} returned {type(returned).__name__}, not {wanted.__name__}")
    return returned
