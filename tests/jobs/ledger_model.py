"""The ledger's state machine as a few lines of Python, to hold the real one against: the drawing of `ledger.py`.

Where the ledger may choose (which of two failed needs a job ends with, which of two runs it joins) the model takes what
was seen, if it is one of the choices.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from arqsvc.jobs.ledger import MAX_LOSSES
from arqsvc.jobs.record import FINAL, State

AT_ONCE = 1
ALIVE, DEAD, GONE = "alive", "dead", "gone"
"""A worker beats; beats no more; has deleted its row, since it stopped in order."""

TABLE = {
    "returns": ("succeeded", State.SUCCEEDED, None, 0),
    "retryable": ("failed", State.SCHEDULED, "retryable", 1),
    "rejected": ("failed", State.FAILED, "conflict", 1),
    "job failed": ("failed", State.FAILED, "bad_input", 1),
    "too slow": ("failed", State.FAILED, "timeout", 1),
    "throttled": ("throttled", State.SCHEDULED, "throttled", 0),
    "an outage": ("unavailable", State.SCHEDULED, "source_unavailable", 0),
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
    limited: bool = False
    """Whether it is one of those of which `AT_ONCE` may run at the same time."""
    delayed: bool = False
    """Whether it is to begin later."""
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
    """Worker and outcome of each that has ended."""
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
        self.attempts.append((self.worker or "", outcome))


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
            job.go(State.BLOCKED if job.needs else State.SCHEDULED if job.delayed else State.QUEUED)
            job.due = False if job.state == State.SCHEDULED else None
            job.delayed = False  # of which nothing more is known
        return list(jobs)

    def start(self, deliveries: Sequence[tuple[UUID, int]], worker: str, seen: Seen) -> list[Job]:
        """The latest delivery of a queued job starts it; what shares a run, or is limited, one by one, and last."""
        started = []
        for key, dispatch in sorted(deliveries, key=lambda each: self._is_met(self.jobs[each[0]])):
            job = self.jobs[key]
            if job.state != State.QUEUED or job.dispatch != dispatch:
                continue
            carriers = self._carriers(job)
            if job.limited and not carriers and self._room() < 1:
                job.go(State.BLOCKED, "limited", job.error)
                continue
            job.attempt += 1
            job.worker = (seen[key].worker if seen[key].worker in carriers else "nobody") if carriers else worker
            job.go(State.RUNNING, "joining" if job.worker != worker else None)
            started.append(job)
        return started

    def _is_met(self, job: Job) -> bool:
        return job.shared is not None or job.limited

    def _room(self) -> int:
        """Return how many more limited jobs may run; those that share a run count once."""
        running = {job.shared or job.id for job in self.jobs.values() if job.limited and job.state == State.RUNNING}
        return AT_ONCE - len(running)

    def release_limited(self, seen: Seen) -> list[Job]:
        """As many go on as there is room for, those first that have stood longest; here: any."""
        waiting = [job for job in self.jobs.values() if job.state == State.BLOCKED and job.reason == "limited"]
        released = [job for job in waiting if seen[job.id].state == State.QUEUED]
        assert len(released) == max(0, min(len(waiting), self._room()))
        for job in released:
            job.dispatch += 1
            job.go(State.QUEUED, None, job.error)
        return released

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
            error = reason if outcome in {"failed", "throttled", "unavailable"} else None
            if job.cancel_requested and state in {State.QUEUED, State.SCHEDULED}:
                outcome, state, reason = "cancelled", State.CANCELLED, "cancelled_by_user"
            job.end_attempt(outcome)
            job.go(state, reason, error)
            job.dispatch += state == State.QUEUED
            job.due = end.delay_s == 0 or outcome == "unavailable" if state == State.SCHEDULED else None
            if state == State.SUCCEEDED:
                job.result = f"{job.id} {job.attempt}"
                job.files.append(job.result)
            ended.append(job)
        return ended + self._follow(ended, seen)

    def release_due(self) -> list[Job]:
        due = [job for job in self.jobs.values() if job.state == State.SCHEDULED and job.due]
        for job in due:
            job.dispatch += 1
            job.go(State.QUEUED, "retry" if job.attempt else None, job.error)
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

    def purge(self, seen: Seen) -> list[Job]:
        """All that waits is cancelled."""
        waiting = [job for job in self.jobs.values() if job.state not in {State.RUNNING, *FINAL}]
        for job in waiting:
            job.cancel_requested = True
            job.go(State.CANCELLED, "purged", job.error)
        return waiting + self._follow(waiting, seen)

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
        blocked = {job.id for job in self.jobs.values() if job.state == State.BLOCKED and job.reason != "limited"}
        return {self.jobs[key]: each for key, each in ways.items() if key in blocked}

    def _needing(self, key: UUID) -> list[Job]:
        return [job for job in self.jobs.values() if key in job.needs]
