"""One run of a job's coroutine: whose attempt it is, how it is interrupted, and what its end means."""

import asyncio
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from arqsvc.errors import JobFailed, NoProgress, Rejected, Retryable, SourceAway, Throttled, TimedOut
from arqsvc.jobs.declare import Job, Result, Retries
from arqsvc.jobs.ledger import Ending
from arqsvc.jobs.move import Claimed
from arqsvc.jobs.progress import ProgressWriter
from arqsvc.jobs.record import State

INTERNAL = {
    "type": "/problems/internal",
    "title": "Internal error",
    "status": 500,
    "code": "internal",
    "detail": "An internal error ended this attempt. The operator finds the traceback with the attempt.",
}
INTERRUPTED = Ending("interrupted", State.QUEUED, reason="worker_stopped")
TOO_LATE = Ending("interrupted", State.QUEUED, reason="run_ended")
"""For a job that was to share a run which ended in that instant."""
LOST = Ending("lost", State.QUEUED, reason="worker_lost")

Outcome = Result | BaseException
"""What a run came to: what the coroutine returned, or raised."""


class Interruption(StrEnum):
    """Why a run is ended from outside."""

    CANCELLED = "cancelled"
    """A user has cancelled it, or the ledger has given it to another worker."""
    WORKER_STOPS = "worker_stops"
    """The worker stops; the job goes on elsewhere, from its checkpoint if it has one."""
    TIMEOUT = "timeout"
    """It is past its soft limit; until the hard one it may clean up, or return what it has."""
    NO_PROGRESS = "no_progress"
    """It has not told any progress for longer than it may."""


class Interrupted(Exception):
    """The run was ended from outside; the row of each of its jobs says what that means."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long a run may take, in seconds."""

    soft_s: float
    hard_s: float
    no_progress_s: float | None
    grace_s: float
    """How long it may take to end once it is interrupted."""

    @classmethod
    def of(cls, job: Job[Any, Any] | None, claimed: Claimed, grace_s: float) -> "Times":
        """Return the times of a kind, stretched to the limit that one job has of its own."""
        if job is None:
            return cls(0.0, 0.0, None, grace_s)
        hard_s = claimed.timeout_s or job.params.timeout_s
        soft_s = job.params.soft_timeout_s * hard_s / job.params.timeout_s
        return cls(soft_s, hard_s, job.params.no_progress_s, grace_s)


@dataclass(slots=True, eq=False)
class Run:
    """The attempt of one job, or of several that share it."""

    members: dict[UUID, Claimed] = field(default_factory=dict)
    """The jobs whose attempt it is, as they were claimed; none while the first is being claimed."""
    late: set[UUID] = field(default_factory=set)
    """Members that joined when it was already being interrupted: what that means is not meant for them."""
    interruption: Interruption | None = None
    progress: ProgressWriter | None = None
    """None before it begins, and once it has ended."""
    came_to: Ending | None = None
    """How it ended for the first of its jobs."""
    _times: Times | None = None
    _task: asyncio.Task[Any] | None = None
    _timer: asyncio.TimerHandle | None = None
    _begun_at: float = 0.0
    _give_up_at: float = 0.0
    _given_up: Callable[[], None] = lambda: None

    def begin(self, times: Times, given_up: Callable[[], None]) -> None:
        """Watch over the task that calls this; `given_up` is called if it does not end in time once interrupted."""
        loop = asyncio.get_running_loop()
        self._times, self._given_up, self._task, self._begun_at = times, given_up, asyncio.current_task(), loop.time()
        first_s = min(times.soft_s, times.no_progress_s or times.soft_s)
        self._timer = loop.call_later(first_s, self._look)

    def rest(self) -> None:
        """Watch no more: its coroutine has ended, and nothing interrupts what is left to do."""
        if self._timer:
            self._timer.cancel()
        self._task = None

    def end(self) -> None:
        """Let nobody join, and nothing be told, any more."""
        self.rest()
        self.progress = None

    def interrupt(self, why: Interruption, grace_s: float | None = None) -> None:
        """Cancel its coroutine, now or as soon as it begins; give it up if it has not ended `grace_s` later."""
        first, self.interruption = self.interruption is None, self.interruption or why
        if self._task is None or self._times is None:
            return
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + (self._times.grace_s if grace_s is None else grace_s)
        self._give_up_at = give_up_at if first else min(give_up_at, self._give_up_at)
        if first:
            self._task.cancel()
        self._look_at(self._give_up_at)

    def join(self, job: Claimed) -> None:
        """Make this the attempt of one more job."""
        assert self.progress
        self.members[job.id] = job
        if self.interruption:
            self.late.add(job.id)
        self.progress.join(job.id, job.seq)

    def judged(self, outcome: Outcome) -> Outcome:
        """Return what an outcome means, seen together with why the run was interrupted, if it was."""
        if self.interruption is None or isinstance(outcome, Result) or self._times is None:
            return outcome
        soft_s, hard_s = self._times.soft_s, self._times.hard_s
        match self.interruption:
            case Interruption.TIMEOUT if isinstance(outcome, asyncio.CancelledError):
                return _timed_out(soft_s, hard_s)
            case Interruption.TIMEOUT if isinstance(outcome, TimeoutError):
                return _timed_out(hard_s, hard_s)
            case Interruption.NO_PROGRESS:
                return _no_progress(self._times.no_progress_s or 0.0)
            case Interruption.CANCELLED | Interruption.WORKER_STOPS:
                return Interrupted()
        return outcome

    def _look_at(self, at: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._look)

    def _look(self) -> None:
        """Interrupt what is past a limit; give up what was interrupted and has not ended."""
        assert self._times
        now, times = asyncio.get_running_loop().time(), self._times
        if self.interruption:
            if now < self._give_up_at:
                self._look_at(self._give_up_at)
            elif self._task:
                self._task.cancel()
                self._given_up()
            return
        stands_s = now - max(self._begun_at, self.progress.noted_at if self.progress else 0.0)
        if times.no_progress_s and stands_s >= times.no_progress_s:
            self.interrupt(Interruption.NO_PROGRESS)
        elif now - self._begun_at >= times.soft_s:
            self.interrupt(Interruption.TIMEOUT, times.hard_s - times.soft_s + times.grace_s)
        else:
            silent_s = times.no_progress_s - stands_s if times.no_progress_s else times.soft_s
            self._look_at(min(now + silent_s, self._begun_at + times.soft_s))


def ending(outcome: Outcome, claimed: Claimed, job: Job[Any, Any] | None, *, delay_s: float, took_s: float) -> Ending:
    """Return what the outcome of a run means for one of its jobs: the outcome table.

    Args:
        outcome: what came of the run.
        claimed: the job, as it was claimed.
        job: its kind, None where this worker does not know it.
        delay_s: how long to wait before another attempt, unless the error says.
        took_s: how long this attempt took.
    """
    if isinstance(outcome, Result):
        return Ending("succeeded", State.SUCCEEDED, result=outcome.model_dump(mode="json"))
    if isinstance(outcome, Interrupted):
        return INTERRUPTED
    text = "".join(traceback.format_exception(outcome))
    if isinstance(outcome, (Rejected, JobFailed)):
        return Ending("failed", State.FAILED, outcome.code, outcome.problem(), text, failed=True)
    problem = outcome.problem() if isinstance(outcome, Retryable) else INTERNAL
    reason = str(problem["code"])
    retries = job.params.retries if job else Retries(tries=1)
    away = isinstance(outcome, SourceAway) and claimed.age_s + took_s < retries.outage_s
    if isinstance(outcome, Retryable) and outcome.delay_s is not None:
        delay_s = outcome.delay_s
    elif away:
        delay_s = retries.delay_s(claimed.attempt)
    counts = not (away or isinstance(outcome, Throttled))
    used_up = counts and (job is None or claimed.failures + 1 >= claimed.tries)
    if used_up or (retries.retry_for_s is not None and claimed.age_s + took_s + delay_s > retries.retry_for_s):
        return Ending("failed", State.FAILED, reason, problem, text, failed=True)
    if counts:
        return Ending("failed", State.SCHEDULED, reason, problem, text, delay_s=delay_s, failed=True)
    return Ending("unavailable" if away else "throttled", State.SCHEDULED, reason, problem, delay_s=delay_s)


def longest_delay_s(members: Sequence[Claimed], job: Job[Any, Any] | None) -> float:
    """Return how long to wait before another attempt of jobs that shared one; they try again at the same time."""
    return job.params.retries.delay_s(max(member.failures for member in members) + 1) if job else 0.0


def _timed_out(limit_s: float, timeout_s: float) -> TimedOut:
    return TimedOut(
        f"The job ran past its limit of {limit_s:g} s and was ended. Give it a smaller input.",
        timeout_s=timeout_s, limit_s=limit_s,
    )  # fmt: skip


def _no_progress(limit_s: float) -> NoProgress:
    return NoProgress(
        f"The job told no progress for {limit_s:g} s, its limit, and was ended. Retry it; if it stands "
        "still again, look at what it waits for.",
        no_progress_s=limit_s,
    )
