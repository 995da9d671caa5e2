"""Claims, losses, cancels, retries and ends at the same time, on several connections: each job ends once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arqsvc.jobs import ledger, limits, waiting
from arqsvc.jobs.move import Claimed, Moved
from arqsvc.jobs.record import FINAL, State
from tests.jobs.ledger_model import ALIVE, AT_ONCE, DEAD, GONE, TABLE, End, Job
from tests.jobs.ledger_steps import LEASE_S, WORKERS, begin, ended, insert, ledger_loop, let, time_comes
from tests.jobs.ledger_view import view

Attempt = tuple[UUID, int]
Act = Callable[["Fleet"], Awaitable[Sequence[Moved]]]

FIXED = settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
ROUNDS = 30
"""More than any job needs to come to an end once nothing goes wrong any more."""
NEEDS = ((), (), (0,), (0, 1), (3,), (), (1, 5))
"""Which of the jobs before it each job needs."""
JOBS = [UUID(int=number + 1) for number in range(len(NEEDS))]
SHARING = {JOBS[1], JOBS[5]}
LIMITED = {JOBS[0], JOBS[2], JOBS[5], JOBS[6]}


class Fleet:
    """Workers that know what they were told, and no more; what they do is done at the same time."""

    def __init__(self) -> None:
        self.deliveries: set[Attempt] = set()
        """As Redis has them; they are never taken out, so that each may come twice."""
        self.claimed: dict[Attempt, Claimed] = {}
        self.succeeded: list[Attempt] = []
        """Attempts whose end the ledger took, and with it what they published."""
        self.told: Counter[Attempt] = Counter()
        """Changes that somebody was told of: job and `seq`."""

    async def act(self, act: Act) -> None:
        """Do one thing, and deliver what it queued."""
        for job in await act(self):
            self.told[job.id, job.seq] += 1
            if job.state == State.QUEUED:
                self.deliveries.add((job.id, job.dispatch))

    async def claim(self, worker: str, picks: Sequence[int]) -> Sequence[Moved]:
        deliveries = sorted(self.deliveries)
        started = await ledger.start(list({deliveries[pick % len(deliveries)] for pick in picks}), worker, LEASE_S)
        for job in started:
            assert (job.id, job.attempt) not in self.claimed, "one attempt was given away twice"
            self.claimed[job.id, job.attempt] = job
        return started

    async def finish(self, picks: Sequence[tuple[int, str]]) -> list[Moved]:
        """End attempts in whatever way; some have ended before, or are another's by now."""
        claimed = [self.claimed[attempt] for attempt in sorted(self.claimed)]
        drawn = [(claimed[pick % len(claimed)], how) for pick, how in picks] if claimed else []
        return await self._end({job.id: (job, how) for job, how in drawn}.values())

    async def succeed(self, worker: str) -> list[Moved]:
        """End what this worker runs, as it should."""
        return await self._end([(job, "returns") for job in await ledger.held_by(worker)])

    async def _end(self, ends: Collection[tuple[Claimed, str]]) -> list[Moved]:
        moved = await ledger.finish([ended(End(job.id, job.attempt, how), job) for job, how in ends])
        succeeded = {job.id for job in moved if job.state == State.SUCCEEDED}
        self.succeeded += [(job.id, job.attempt) for job, _ in ends if job.id in succeeded]
        return moved

    async def lose(self, worker: str, how: str) -> list[Moved]:
        await let(worker, how)
        return await ledger.rescue(LEASE_S)

    async def revive(self, worker: str) -> list[Moved]:
        await let(worker, ALIVE)
        return []

    async def cancel(self, job: UUID) -> list[Moved]:
        moved = await ledger.cancel([job])
        if not moved:
            await ledger.ask_cancel([job])
        return moved

    async def retry(self, job: UUID) -> list[Moved]:
        moved = await ledger.retry(job)
        return [moved] if moved else []

    async def release(self) -> list[Moved]:
        await time_comes(JOBS)
        return await ledger.release_due()

    async def free(self) -> list[Moved]:
        return await waiting.free_overlooked()

    async def release_limited(self) -> list[Moved]:
        return await limits.release()


def acts() -> st.SearchStrategy[Act]:
    """Anything that may happen to a fleet."""
    worker, job, number = st.sampled_from(WORKERS), st.sampled_from(JOBS), st.integers(0, 30)
    how = st.sampled_from(sorted(TABLE)) | st.sampled_from(["returns", "job failed"])
    claim = st.builds(partial, st.just(Fleet.claim), worker=worker, picks=st.lists(number, min_size=1, max_size=5))
    finish = st.builds(partial, st.just(Fleet.finish), picks=st.lists(st.tuples(number, how), min_size=1, max_size=4))
    return st.one_of(
        claim, claim, finish, finish,
        st.builds(partial, st.just(Fleet.lose), worker=worker, how=st.sampled_from([DEAD, GONE])),
        st.builds(partial, st.just(Fleet.revive), worker=worker),
        st.builds(partial, st.just(Fleet.cancel), job=job),
        st.builds(partial, st.just(Fleet.retry), job=job),
        st.sampled_from([Fleet.release, Fleet.free, Fleet.release_limited]),
    )  # fmt: skip


async def interleave(rounds: Sequence[Sequence[Act]]) -> None:
    """Do what stands in a round at the same time, round after round; then let all come to an end."""
    fleet = Fleet()
    await begin()
    new = [
        Job(key, 2, "together" if key in SHARING else None, tuple(JOBS[need] for need in needs), key in LIMITED)
        for key, needs in zip(JOBS, NEEDS, strict=True)
    ]
    await fleet.act(lambda _: insert(new))
    for acts in rounds:
        async with asyncio.TaskGroup() as group:
            for act in acts:
                group.create_task(fleet.act(act))
        check_effects(fleet, await view())
    await settle(fleet)


async def settle(fleet: Fleet) -> None:
    """Nothing goes wrong any more, so every job ends, and somebody was told of each change once."""
    for _ in range(ROUNDS):
        for worker in WORKERS:
            await fleet.act(partial(Fleet.revive, worker=worker))
            await fleet.act(partial(Fleet.succeed, worker=worker))
        await fleet.act(Fleet.release)
        await fleet.act(Fleet.free)
        await fleet.act(Fleet.release_limited)
        await fleet.act(partial(Fleet.claim, worker=WORKERS[0], picks=range(len(fleet.deliveries))))
        jobs = await view()
        if all(job.state in FINAL for job in jobs.values()):
            break
    check_effects(fleet, jobs)
    assert {job.state for job in jobs.values()} <= FINAL
    assert fleet.told == {
        (job.id, seq): 1
        for job in jobs.values()
        for seq, (_, reason, *_) in enumerate(job.events, 1)
        if reason != "limited"  # that is for followers alone, who look by themselves
    }


def check_effects(fleet: Fleet, jobs: Mapping[UUID, Job]) -> None:
    """What a job returned and published is there once, and of that attempt whose end the ledger took."""
    assert len({job for job, _ in fleet.succeeded}) == len(fleet.succeeded)
    effects = {job: f"{job} {attempt}" for job, attempt in fleet.succeeded}
    assert effects == {key: job.result for key, job in jobs.items() if job.state == State.SUCCEEDED}
    running = [job for job in jobs.values() if job.limited and job.state == State.RUNNING]
    assert len({job.shared or job.id for job in running}) <= AT_ONCE
    assert {key: [text] for key, text in effects.items()} == {key: job.files for key, job in jobs.items() if job.files}


@FIXED
@given(st.lists(st.lists(acts(), min_size=2, max_size=6), min_size=1, max_size=12))
def check(run: Callable[[Coroutine[Any, Any, None]], None], rounds: Sequence[Sequence[Act]]) -> None:
    run(interleave(rounds))


def test_whatever_happens_at_the_same_time_each_job_ends_once_with_its_effects_applied_once(database_url: str) -> None:
    with ledger_loop(database_url) as runner:
        check(runner.run)
