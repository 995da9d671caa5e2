"""One run of a job's coroutine: whose attempt it is, how it is interrupted, and what its end means."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from arqsvc.errors import JobFailed, Rejected, Retryable, Throttled
from arqsvc.jobs.declare import Job, Result
from arqsvc.jobs.events import ProgressWriter
from arqsvc.jobs.ledger import Ending, Moved
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


class Interrupted(Exception):
    """The run was ended from outside; the row of each of its jobs says what that means."""


@dataclass(slots=True, eq=False)
class Run:
    """The attempt of one job, or of several that share it; to interrupt it, its deadline is brought forward to now."""

    interrupted: bool = False
    members: dict[UUID, Moved] = field(default_factory=dict)
    """The jobs whose attempt it is, as they were claimed; none while the first is being claimed."""
    progress: ProgressWriter | None = None
    """None before it begins, and once its end is being written."""
    _scope: asyncio.Timeout | None = None

    def interrupt(self) -> None:
        """End it now, or as soon as it begins."""
        self.interrupted = True
        if self._scope and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        """Raise TimeoutError out of the block when the run is, or already was, interrupted."""
        async with asyncio.timeout(None) as self._scope:
            try:
                if self.interrupted:
                    self.interrupt()
                yield
            finally:
                self._scope = None

    def join(self, job: Moved) -> None:
        """Make this the attempt of one more job."""
        assert self.progress
        self.members[job.id] = job
        self.progress.join(job.id, job.seq)


def ending(outcome: Outcome, claimed: Moved, job: Job[Any, Any] | None, *, delay_s: float) -> Ending:
    """Return what the outcome of a run means for one of its jobs: the outcome table.

    Args:
        outcome: what came of the run.
        claimed: the job, as it was claimed.
        job: its kind, None where this worker does not know it.
        delay_s: how long to wait before another attempt, unless the error says.
    """
    if isinstance(outcome, Result):
        return Ending("succeeded", State.SUCCEEDED, result=outcome.model_dump(mode="json"))
    if isinstance(outcome, (Interrupted, asyncio.CancelledError)):
        return INTERRUPTED
    if isinstance(outcome, Throttled):
        return Ending("throttled", State.SCHEDULED, outcome.code, outcome.problem(), delay_s=outcome.delay_s or delay_s)
    text = "".join(traceback.format_exception(outcome))
    if isinstance(outcome, (Rejected, JobFailed)):
        return Ending("failed", State.FAILED, outcome.code, outcome.problem(), text, failed=True)
    problem = outcome.problem() if isinstance(outcome, Retryable) else INTERNAL
    reason = str(problem["code"])
    if claimed.failures + 1 >= claimed.tries or job is None:
        return Ending("failed", State.FAILED, reason, problem, text, failed=True)
    if isinstance(outcome, Retryable) and outcome.delay_s is not None:
        delay_s = outcome.delay_s
    return Ending("failed", State.SCHEDULED, reason, problem, text, delay_s=delay_s, failed=True)
