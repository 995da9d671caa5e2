"""A clock that can be set, for jobs that wait for a time.

When a job is due is decided by the clock of the database, which no test can set. So time does not go forward; all that
the test's own database remembers goes back: when jobs were made, queued, started and tried, when they are due, and when
a limit lets the next one start. To the ledger that is the same. The clock of the process, and what `datetime.now()`
says inside a job, stay as they are.
"""

from datetime import UTC, datetime, timedelta

from arqsvc.infra.db import rows

_BACK = """WITH job AS (
    UPDATE job SET created_at = created_at - $1::interval, queued_at = queued_at - $1, due_at = due_at - $1,
        started_at = started_at - $1, attempted_at = attempted_at - $1, finished_at = finished_at - $1,
        cancel_requested_at = cancel_requested_at - $1
), attempt AS (
    UPDATE attempt SET started_at = started_at - $1, finished_at = finished_at - $1
), event AS (
    UPDATE job_event SET at = at - $1, due_at = due_at - $1
), rate AS (
    UPDATE rate SET next_at = next_at - $1
) SELECT 1"""


class Clock:
    """The time of the jobs of one test."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        """Return what time it is for the jobs, in UTC."""
        return datetime.now(UTC) + self._ahead

    async def forward(self, seconds: float) -> None:
        """Let so many seconds pass, 0 or more; what comes due runs when the jobs are told to go on."""
        if seconds < 0:
            raise ValueError(f"time goes forward only, and not by {seconds:g} s")
        by = timedelta(seconds=seconds)
        await rows(_BACK, [by])
        self._ahead += by

    async def set(self, to: datetime) -> None:
        """Let time pass until then: an aware datetime that is not over yet."""
        await self.forward((to - self.now()).total_seconds())
