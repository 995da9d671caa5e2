"""The ledger, step by step against a model of the state machine that is drawn in `arqsvc/jobs/ledger.py`."""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, initialize, multiple, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from arqsvc.jobs import ledger, limits, waiting
from arqsvc.jobs.lease import forget_dead_workers
from arqsvc.jobs.move import Claimed, Moved
from arqsvc.jobs.record import State
from tests.jobs.ledger_model import ALIVE, DEAD, GONE, TABLE, End, Job, Model, Seen
from tests.jobs.ledger_steps import LATE_S, LEASE_S, WORKERS, begin, ended, insert, ledger_loop, let, time_comes
from tests.jobs.ledger_view import view

T = TypeVar("T")
FIXED = settings(
    max_examples=70,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
SHAPES = st.lists(
    st.tuples(
        st.integers(1, 2),
        st.sampled_from([None, None, "a", "b"]),
        st.sets(st.integers(0, 3), max_size=3),
        st.sampled_from([False, False, True]),
        st.sampled_from([False, False, False, True]),
    ),
    min_size=2,
    max_size=5,
)
"""New jobs: their tries, with whom they may share a run, which of those before them in the list they need, whether few
of them may run at a time, and whether they are to begin later."""
Shape = tuple[int, str | None, set[int], bool, bool]
HOW = st.sampled_from(sorted(TABLE)) | st.sampled_from(["returns", "returns", "job failed"])
"""How an attempt ends; most of them end their job."""
CLAIMED = ("attempt", "failures", "tries", "worker", "shared", "limited", "cancel_requested")
"""What a claim tells beside."""
WHEN = st.sampled_from([0.0, LATE_S])
"""After how many seconds it is tried again."""


class LedgerMachine(RuleBasedStateMachine):
    """Does the same to the ledger and to the model, and compares all that they hold after each step."""

    jobs = Bundle("jobs")

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        super().__init__()
        self._run = run
        self._claimed: dict[tuple[UUID, int], Claimed] = {}
        self._model = Model(WORKERS)
        run(begin())

    def _step(self, work: Coroutine[Any, Any, Sequence[Moved]], change: Callable[[Seen], Iterable[Job]]) -> list[Moved]:
        """Change the ledger and the model; they hold the same afterwards, and the ledger told what it changed."""
        moved = list(self._run(work))
        seen: Seen = self._run(view())
        changed = change(seen)
        assert {key: vars(job) for key, job in seen.items()} == {
            key: vars(job) for key, job in self._model.jobs.items()
        }
        facts = ("id", "state", "seq", "dispatch")
        told, have = ([tuple(getattr(job, fact) for fact in facts) for job in jobs] for jobs in (moved, changed))
        assert sorted(told, key=repr) == sorted(have, key=repr)
        return moved

    def _are(self, *states: State) -> list[UUID]:
        return [job.id for job in self._model.jobs.values() if job.state in states]

    @initialize(target=jobs, shapes=SHAPES)
    def begin(self, shapes: list[Shape]) -> MultipleResults[UUID]:
        return self.insert(shapes, set())

    @precondition(lambda self: len(self._model.jobs) < 12)
    @rule(target=jobs, shapes=SHAPES, old=st.sets(jobs, max_size=1))
    def insert(self, shapes: list[Shape], old: set[UUID]) -> MultipleResults[UUID]:
        ids = [UUID(int=len(self._model.jobs) + n + 1) for n in range(len(shapes))]
        new = [
            Job(
                key,
                tries,
                shared,
                tuple(sorted({*(ids[n] for n in before if n < ids.index(key)), *old})),
                limited,
                delayed,
            )
            for key, (tries, shared, before, limited, delayed) in zip(ids, shapes, strict=True)
        ]
        self._step(insert(new), lambda _: self._model.insert(new))
        return multiple(*ids)

    @precondition(lambda self: self._are(State.QUEUED))
    @rule(data=st.data(), worker=st.sampled_from(WORKERS), others=st.sets(jobs, max_size=1))
    def start(self, data: st.DataObject, worker: str, others: set[UUID]) -> None:
        """Start some of what is queued, and nothing else; old deliveries that come before start nothing."""
        jobs = list({*self._some(data, self._are(State.QUEUED)), *others})
        old = [(job, self._model.jobs[job].dispatch - 1) for job in self._model.jobs]
        self._step(ledger.start(old, worker, LEASE_S), lambda _: [])
        deliveries = [(job, self._model.jobs[job].dispatch) for job in jobs]
        started = self._step(
            ledger.start(deliveries, worker, LEASE_S), lambda seen: self._model.start(deliveries, worker, seen)
        )
        for job in started:
            assert isinstance(job, Claimed)
            assert {name: getattr(job, name) for name in CLAIMED} == {
                name: getattr(self._model.jobs[job.id], name) for name in CLAIMED
            }
            self._claimed[job.id, job.attempt] = job

    @precondition(lambda self: self._are(State.RUNNING))
    @rule(data=st.data(), late=st.booleans())
    def finish(self, data: st.DataObject, late: bool) -> None:
        """Some of what runs ends; of others an end comes that is no more theirs to say."""
        attempts = [(job, self._model.jobs[job].attempt) for job in self._some(data, self._are(State.RUNNING))]
        if late and (over := sorted(self._claimed.keys() - {*attempts})):
            attempts.append(data.draw(st.sampled_from(over), label="over"))
        ends = [End(*attempt, data.draw(HOW, label="how"), data.draw(WHEN, label="delay")) for attempt in attempts]
        self._step(
            ledger.finish([ended(end, self._claimed[end.job, end.attempt]) for end in ends]),
            lambda seen: self._model.finish(ends, seen),
        )

    @precondition(lambda self: self._are(State.QUEUED))
    @rule(data=st.data(), worker=st.sampled_from(WORKERS))
    def work(self, data: st.DataObject, worker: str) -> None:
        """Start, and finish: so that whole lives are lived, whichever other rules are at work."""
        self.start(data, worker, set())
        self.finish(data, False)

    def _some(self, data: st.DataObject, jobs: list[UUID]) -> list[UUID]:
        return data.draw(st.lists(st.sampled_from(jobs), min_size=1, max_size=5, unique=True), label="some")

    @rule(job=jobs)
    def cancel(self, job: UUID) -> None:
        self._step(ledger.cancel([job]), lambda seen: self._model.cancel(job, seen))
        asked = self._run(ledger.ask_cancel([job]))
        assert bool(asked) == self._model.ask_cancel(job)

    @precondition(lambda self: self._are(State.FAILED, State.CANCELLED))
    @rule(data=st.data(), others=st.sets(jobs, max_size=1))
    def retry(self, data: st.DataObject, others: set[UUID]) -> None:
        async def work() -> list[Moved]:
            moved = [await ledger.retry(job) for job in jobs]
            return [job for job in moved if job]

        jobs = list({*self._some(data, self._are(State.FAILED, State.CANCELLED)), *others})
        self._step(work(), lambda _: [job for key in jobs for job in self._model.retry(key)])

    @rule(worker=st.sampled_from(WORKERS), how=st.sampled_from([ALIVE, DEAD, GONE]))
    def a_worker_is(self, worker: str, how: str) -> None:
        self._let(worker, how)

    def _let(self, worker: str, how: str) -> None:
        self._run(let(worker, how))
        self._model.workers[worker] = how

    @precondition(lambda self: self._are(State.SCHEDULED))
    @rule(jobs=st.sets(jobs, max_size=2))
    def release_due(self, jobs: set[UUID]) -> None:
        """The time of some comes, then all whose time has come are queued."""
        self._run(time_comes(list(jobs)))
        self._model.time_comes(jobs)
        self._step(ledger.release_due(), lambda _: self._model.release_due())

    @rule()
    def reconcile(self) -> None:
        """What the dead held goes back; what is still blocked afterwards waits for something that has not ended."""
        self._step(ledger.rescue(LEASE_S), self._model.rescue)
        self._run(forget_dead_workers(LEASE_S))
        self._model.forget_dead_workers()
        self._step(waiting.free_overlooked(), self._model.free_overlooked)
        for need in self._run(waiting.needs_of(self._are(State.BLOCKED))):
            assert need.state not in {State.FAILED, State.CANCELLED}
        blocked = [self._model.jobs[job] for job in self._are(State.BLOCKED)]
        assert not [job for job in blocked if self._model.has_all(job) and job.reason != "limited"]

    @rule()
    def release_limited(self) -> None:
        self._step(limits.release(), self._model.release_limited)

    @precondition(lambda self: len(self._are(State.BLOCKED, State.QUEUED)) > 4)
    @rule()
    def purge(self) -> None:
        self._step(ledger.purge("test", None), self._model.purge)

    @rule(worker=st.sampled_from(WORKERS))
    def take_in_what_joins(self, worker: str) -> None:
        held = self._run(ledger.held_by(worker))
        assert sorted(job.id for job in held) == sorted(job.id for job in self._model.held_by(worker))
        self._run(ledger.taken_in([job.id for job in held], worker))
        self._model.taken_in([job.id for job in held], worker)


def test_the_ledger_does_what_its_drawing_says(database_url: str) -> None:
    with ledger_loop(database_url) as runner:
        run_machine(lambda: LedgerMachine(runner.run), settings=FIXED)  # type: ignore[arg-type]  # any factory will do
