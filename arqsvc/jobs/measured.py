"""What workers count of jobs: how attempts ended, how long jobs wait and run, what is lost and what is killed."""

from collections.abc import Iterable

from arqsvc.infra.counts import Counts, Metric
from arqsvc.infra.pool import Usage
from arqsvc.jobs.ledger import Ended
from arqsvc.jobs.move import Claimed, Moved
from arqsvc.jobs.record import FINAL, State

ATTEMPTS = Metric("arqsvc_attempts", "Attempts that ended, by outcome.", ("kind", "outcome"))
ENDED = Metric("arqsvc_jobs_ended", "Jobs that ended with an attempt.", ("kind", "state", "reason"))
RETRIES = Metric("arqsvc_retries", "Attempts after which their job is tried again, by why.", ("kind", "reason"))
WAIT = Metric(
    "arqsvc_job_wait_seconds", "How long a job was queued before an attempt at it began.", ("kind",), "histogram"
)
RUN = Metric("arqsvc_attempt_run_seconds", "How long attempts took.", ("kind",), "histogram")
RESCUES = Metric(
    "arqsvc_rescues",
    "Jobs taken from dead workers, by the state that they went to; with one that fails fail those that need it.",
    ("queue", "state"),
)
CHILD_CALLS = Metric("arqsvc_child_calls", "Computations that had a child process.", ("kind",))
CHILD_CPU = Metric("arqsvc_child_cpu_seconds", "CPU time of computations.", ("kind",))
CHILD_KILLS = Metric("arqsvc_child_kills", "Child processes that did not end by themselves.", ("kind", "reason"))

METRICS = (ATTEMPTS, ENDED, RETRIES, WAIT, RUN, RESCUES, CHILD_CALLS, CHILD_CPU, CHILD_KILLS)

MEMORY, DIED, CANCELLED = "memory", "died", "cancelled"
"""Why a child ended early: past its ceiling; by itself or another's hand; or as its run was interrupted."""


def began(counts: Counts, jobs: Iterable[Claimed]) -> None:
    """Count for how long these jobs had waited."""
    for job in jobs:
        counts.observe(WAIT, (job.kind,), max(0.0, job.waited_s))


def ended(counts: Counts, job: Claimed, attempt: Ended, state: State, took_s: float | None) -> None:
    """Count an attempt that left its job in this state; `took_s` is None for one that did not begin."""
    end, kind = attempt.end, job.kind
    cancelled = state is State.CANCELLED
    counts.add(ATTEMPTS, (kind, "cancelled" if cancelled else end.outcome))
    if took_s is not None:
        counts.observe(RUN, (kind,), took_s)
    if state in FINAL:
        counts.add(ENDED, (kind, state.value, "cancelled_by_user" if cancelled else end.reason or ""))
    elif state is State.SCHEDULED:
        counts.add(RETRIES, (kind, end.reason or ""))


def rescued(counts: Counts, jobs: Iterable[Moved]) -> None:
    """Count what was taken from dead workers."""
    for job in jobs:
        counts.add(RESCUES, (job.queue, job.state.value))


def child_used(counts: Counts, kind: str, usage: Usage) -> None:
    """Count a computation; nothing if it never got a child."""
    if usage.pid:
        counts.add(CHILD_CALLS, (kind,))
        counts.add(CHILD_CPU, (kind,), usage.cpu_s)


def child_killed(counts: Counts, kind: str, reason: str) -> None:
    """Count a child process that did not end by itself."""
    counts.add(CHILD_KILLS, (kind, str(reason)))
