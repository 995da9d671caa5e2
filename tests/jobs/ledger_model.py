"""The ledger's state machine as a few lines of Python, to hold the real one against: the drawing of `ledger.py`.

Where the ledger may choose (which of two failed needs a job ends with, which of two runs it joins) the model takes what
was seen, if it is one of the choices.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from arqsvc.jobs.ledger import MAX_LOSSES
from arqsvc.jobs.record import FINAL, State

ALIVE, DEAD, GONE = "alive", "dead", "gone"
"""A worker beats; beats no more; has deleted its row, since it stopped in order."""

TABLE = {
    "returns": ("succeeded", State.SUCCEEDED, None, 0),
    "retryable": ("failed", State.SCHEDULED, "retryable", 1),
    "rejected": ("failed", State.FAILED, "conflict", 1),
    "job failed": ("failed", State.FAILED, "bad_input", 1),
    "too slow": ("failed", State.FAILED, "timeout", 1),
    "throttled": ("throttled", State.SCHEDULED, "throttled", 0),
    "interrupted": ("interrupted", State.QUEUED, "worker_stopped", 0),
    "a bug": ("failed", State.SCHEDULED, "internal", 1),
    "lost by its worker": ("lost", State.QUEUED, "worker_lost", 0),
    "too late to join": ("interrupted", State.QUEUED, "run_ended", 0),
}
"""How an attempt ends: its outcome, where its job goes, why, and whether that uses up a try."""


@dataclass(frozen=True)
class End:
    """The end of one attempt, as a worker reports it."""

    job: UUID
    attempt: int
    how: str
    delay_s: float = 0.0


@dataclass(eq=False)
class Job:
    """A job as the ledger should have it; the fields are the columns, an error is its code."""

    id: UUID
    tries: int
    shared: str | None
    needs: tuple[UUID, ...]
    state: State = State.QUEUED
    reason: str | None = None
    error: str | None = None
    result: str | None = None
    attempt: int = 0
    dispatch: int = 1
    seq: int = 0
    failures: int = 0
    losses: int = 0
    worker: str | None = None
    cancel_requested: bool = False
    due: bool | None = None
    """Of a scheduled job, whether its time has come."""
    attempts: list[tuple[str, str | None]] = field(default_factory=list)
    """Worker and outcome of each."""
    events: list[tuple[State, str | None, int, str | None]] = field(default_factory=list)
    """State, reason, attempt and error of each."""
    files: list[str] = field(default_factory=list)

    def go(self, state: State, reason: str | None = None, error: str | None = None) -> None:
        """Change state, and tell followers."""
        self.state, self.reason, self.error, self.seq = state, reason, error, self.seq + 1
        self.worker = self.worker if state == State.RUNNING else None
        self.due = None
        self.events.append((state, reason, self.attempt, error))

    def end_attempt(self, outcome: str) -> None:
        """Say what came of the attempt that runs."""
        self.attempts[-1] = (self.attempts[-1][0], outcome)


Seen = Mapping[UUID, Job]
"""What the ledger shows after a change."""


class Model:
    """All jobs and workers. Each change is told what was seen after it, and returns the jobs that it changed."""

    def __init__(self, workers: Iterable[str]) -> None:
        self.jobs: dict[UUID, Job] = {}
        self.workers = dict.fromkeys(workers, ALIVE)

    def insert(self, jobs: Sequence[Job]) -> list[Job]:
        for job in jobs:
            self.jobs[job.id] = job
            job.go(State.BLOCKED if job.needs else State.QUEUED)
        return list(jobs)

    def start(self, deliveries: Sequence[tuple[UUID, int]], worker: str, seen: Seen) -> list[Job]:
        """The latest delivery of a queued job starts it; those that share a run one after the other, and last."""
        started = []
        for key, dispatch in sorted(deliveries, key=lambda each: self.jobs[each[0]].shared is not None):
            job = self.jobs[key]
            if job.state == State.QUEUED and job.dispatch == dispatch:
                carriers = self._carriers(job)
                job.worker = (seen[key].worker if seen[key].worker in carriers else "nobody") if carriers else worker
                job.attempt += 1
                job.attempts.append((job.worker or "", None))
                job.go(State.RUNNING, "joining" if job.worker != worker else None)
                started.append(job)
        return started

    def _carriers(self, job: Job) -> set[str | None]:
        return {
            other.worker
            for other in self.jobs.values()
            if job.shared and other.shared == job.shared and other.state == State.RUNNING and other.reason is None
            if self.workers.get(other.worker or "") == ALIVE
        }

    def finish(self, ends: Iterable[End], seen: Seen) -> list[Job]:
        """An end counts if its attempt still holds the job; a wish to cancel keeps a job from another attempt."""
        ended = []
        for end in ends:
            job = self.jobs[end.job]
            if job.state != State.RUNNING or job.attempt != end.attempt:
                continue
            outcome, state, reason, failed = TABLE[end.how]
            job.failures += failed
            if failed and job.failures >= job.tries:
                state = State.FAILED
            error = reason if outcome in {"failed", "throttled"} else None
            if job.cancel_requested and state in {State.QUEUED, State.SCHEDULED}:
                outcome, state, reason = "cancelled", State.CANCELLED, "cancelled_by_user"
            job.end_attempt(outcome)
            job.go(state, reason, error)
            job.dispatch += state == State.QUEUED
            job.due = end.delay_s == 0 if state == State.SCHEDULED else None
            if state == State.SUCCEEDED:
                job.result = f"{job.id} {job.attempt}"
                job.files.append(job.result)
            ended.append(job)
        return ended + self._follow(ended, seen)

    def release_due(self) -> list[Job]:
        due = [job for job in self.jobs.values() if job.state == State.SCHEDULED and job.due]
        for job in due:
            job.dispatch += 1
            job.go(State.QUEUED, "retry", job.error)
        return due

    def rescue(self, seen: Seen) -> list[Job]:
        """What a worker held that is dead, or gone, is queued again; the third death ends it."""
        lost = [
            job
            for job in self.jobs.values()
            if job.state == State.RUNNING and self.workers.get(job.worker or "", GONE) != ALIVE
        ]
        for job in lost:
            job.losses += self.workers.get(job.worker or "", GONE) == DEAD
            job.dispatch += 1
            job.end_attempt("lost")
            if job.cancel_requested:
                job.go(State.CANCELLED, "cancelled_by_user")
            elif job.losses >= MAX_LOSSES:
                job.go(State.FAILED, "poisoned", "poisoned")
            else:
                job.go(State.QUEUED, "worker_lost")
        return lost + self._follow(lost, seen)

    def cancel(self, key: UUID, seen: Seen) -> list[Job]:
        job = self.jobs[key]
        if job.state not in {State.BLOCKED, State.SCHEDULED, State.QUEUED}:
            return []
        job.cancel_requested = True
        job.go(State.CANCELLED, "cancelled_by_user", job.error)
        return [job, *self._follow([job], seen)]

    def ask_cancel(self, key: UUID) -> bool:
        job = self.jobs[key]
        job.cancel_requested |= job.state == State.RUNNING
        return job.state == State.RUNNING

    def retry(self, key: UUID) -> list[Job]:
        job = self.jobs[key]
        if job.state not in {State.FAILED, State.CANCELLED}:
            return []
        job.failures, job.losses, job.cancel_requested = 0, 0, False
        job.dispatch += 1
        job.go(State.QUEUED if self.has_all(job) else State.BLOCKED, "retried_by_user")
        return [job]

    def taken_in(self, ids: Iterable[UUID], worker: str) -> None:
        for job in self.held_by(worker):
            if job.id in ids:
                job.reason = None

    def held_by(self, worker: str) -> list[Job]:
        return [job for job in self.jobs.values() if job.state == State.RUNNING and job.worker == worker]

    def time_comes(self, ids: Iterable[UUID]) -> None:
        for job in self.jobs.values():
            if job.id in ids and job.due is not None:
                job.due = True

    def forget_dead_workers(self) -> None:
        for worker, how in self.workers.items():
            if how == DEAD and not self.held_by(worker):
                self.workers[worker] = GONE

    def free_overlooked(self, seen: Seen) -> list[Job]:
        """What is blocked by nothing goes on; what is blocked by what has ended without success ends likewise."""
        ended = [job for job in self.jobs.values() if job.state in FINAL]
        return self._follow(ended, seen)

    def has_all(self, job: Job) -> bool:
        """Whether all that it needs has succeeded."""
        return all(self.jobs[need].state == State.SUCCEEDED for need in job.needs)

    def _follow(self, ended: Iterable[Job], seen: Seen) -> list[Job]:
        """Free, or end, what is blocked and needed these: at once, and as far as it goes."""
        freed = []
        for job, ways in self._ways(ended).items():
            row = seen[job.id]
            state, error = way if (way := (row.state, row.error)) in ways else min(ways, key=repr)
            job.dispatch += 1
            job.go(state, {State.FAILED: "needed_failed", State.CANCELLED: "needed_cancelled"}.get(state), error)
            freed.append(job)
        return freed

    def _ways(self, ended: Iterable[Job]) -> dict[Job, set[tuple[State, str | None]]]:
        """Return for each blocked job that these concern how it may go on."""
        doom = {(job.id, job.state, job.error) for job in ended if job.state in FINAL - {State.SUCCEEDED}}
        ways: dict[UUID, set[tuple[State, str | None]]] = {}
        while doom:
            at, state, error = doom.pop()
            for job in self._needing(at):
                if (state, error) not in ways.setdefault(job.id, set()):
                    ways[job.id].add((state, error))
                    doom.add((job.id, state, error))
        for done in ended:
            for job in self._needing(done.id) if done.state == State.SUCCEEDED else ():
                if self.has_all(job):
                    ways[job.id] = {(State.QUEUED, None)}
        return {self.jobs[key]: each for key, each in ways.items() if self.jobs[key].state == State.BLOCKED}

    def _needing(self, key: UUID) -> list[Job]:
        return [job for job in self.jobs.values() if key in job.needs]
