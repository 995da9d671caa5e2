"""How jobs are taken in: one order for all who submit, so that what is there already is neither refused nor counted.

First comes what the same request has written before, then another job that does the same work; and only for what is
new, whether its queues take in new jobs, whether its project may have more, and whether its queues are full. What it
replaces makes room for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from arqsvc.errors import ArqsvcError
from arqsvc.infra.db import rows, transaction
from arqsvc.jobs import ledger, waiting
from arqsvc.jobs.dedupe import Dedupe, Mode, hold, others_of, stands_for_it
from arqsvc.jobs.move import Moved, Written
from arqsvc.jobs.new import NewJob, insert
from arqsvc.jobs.outlook import Outlook
from arqsvc.jobs.queue import JobQueue
from arqsvc.jobs.quota import Quotas
from arqsvc.jobs.record import State


@dataclass(frozen=True, slots=True)
class Wish:
    """A job that somebody wants to submit."""

    jobs: Sequence[NewJob]
    """All that it needs, and behind that the job itself."""
    dedupe: Dedupe | None = None

    @property
    def job(self) -> NewJob:
        """The job itself."""
        return self.jobs[-1]

    @property
    def queues(self) -> list[str]:
        """The queue of each of its jobs."""
        return [job.queue for job in self.jobs]


@dataclass(frozen=True, slots=True)
class Freed:
    """What was cancelled so that a new job can take its place."""

    jobs: Sequence[Moved] = ()
    queues: Sequence[str] = ()
    """For each of these jobs that was queued, where."""


NOTHING = Freed()


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a wish."""

    job: UUID
    new: bool
    """Whether this request has written it, now or before; else it is another one that does the same work."""
    written: Written | None = None
    """How it was written just now, where it was the only one."""


class Admission:
    """The way into the queues, as one process of the API keeps it."""

    def __init__(self, queue: JobQueue, quotas: Quotas, outlook: Outlook) -> None:
        self.queue, self._quotas, self._outlook = queue, quotas, outlook

    async def submit(self, wishes: Sequence[Wish]) -> list[Submitted | ArqsvcError]:
        """Submit jobs, each for itself; returns what came of each, or why it was refused."""
        await self._outlook.look(queue for wish in wishes for queue in wish.queues)
        there = await _written(wishes)
        came, new = list[Submitted | ArqsvcError](), list[Sequence[NewJob]]()
        for wish in wishes:
            try:
                if wish.job.id in there:
                    came.append(Submitted(wish.job.id, new=True))
                elif wish.dedupe:
                    came.append(await self._once(wish, wish.dedupe))
                else:
                    await self.look(wish.job.project, wish.queues)
                    self.take_in(wish.job.project, wish.queues)
                    new.append(wish.jobs)
                    came.append(Submitted(wish.job.id, new=True))
            except ArqsvcError as error:
                came.append(error)
        if len(wishes) == len(new) == 1:
            return [Submitted(wishes[0].job.id, new=True, written=await self.queue.write(new[0]))]
        if new:
            await self.queue.write_all(new)
        return came

    async def submit_all(self, wishes: Sequence[Wish]) -> None:
        """Submit jobs, all or none; they take no `dedupe`.

        Raises:
            Conflict, QueueFull: one of their queues takes in no more.
            JobsQuota: they are more than the project may have.
        """
        queues = [queue for wish in wishes for queue in wish.queues]
        await self._outlook.look(queues)
        there = await _written(wishes)
        if new := [wish for wish in wishes if wish.job.id not in there]:
            queues = [queue for wish in new for queue in wish.queues]
            await self.look(new[0].job.project, queues)
            self.take_in(new[0].job.project, queues)
            await self.queue.write_all([wish.jobs for wish in new], at_once=True)

    async def look(self, project: str, queues: Sequence[str]) -> None:
        """Read what `take_in` goes by, unless that is known.

        Raises:
            Conflict: one of the queues takes in no new jobs.
        """
        await self.queue.check_open(queues)
        await self._quotas.look(project)
        await self._outlook.look(queues)

    def take_in(self, project: str, queues: Sequence[str], freed: Freed = NOTHING) -> None:
        """Count jobs of a project that are now submitted, one for each time that a queue is named; `look` went before.

        It waits for nothing, so that it can be called in a transaction, which is to end without effect if it refuses.

        Raises:
            JobsQuota: they are more than the project may have; none is counted.
            QueueFull: one of the queues has as many as it may; none is counted.
        """
        more = max(0, len(queues) - len(freed.jobs))
        self._quotas.check(project, more)
        self._outlook.take_in(queues, freed.queues)
        self._quotas.take_in(project, more)

    async def _once(self, wish: Wish, dedupe: Dedupe) -> Submitted:
        """Write a job and, before it, all that it needs, unless another does its work already.

        Of many that are submitted at once, by whatever processes, one is written: they go one by one.

        Raises:
            Duplicate: another does it, and this one was to be rejected then.
            Conflict, JobsQuota, QueueFull: none does it, and this one is not taken in; what it was to replace stays.
        """
        job, replaces = wish.job, dedupe.mode == Mode.REPLACE
        if not replaces and (others := await others_of(job, dedupe)):
            return Submitted(stands_for_it(others[0], dedupe), new=False)
        await self.look(job.project, wish.queues)
        async with transaction():
            await hold(job.project, job.kind, dedupe.key)
            others = await others_of(job, dedupe)
            if others and not replaces:
                return Submitted(stands_for_it(others[0], dedupe), new=False)
            freed = await _replaced(others, f"replaced by job {job.id}")
            self.take_in(job.project, wish.queues, freed)
            moved = await insert(wish.jobs)
        if freed.jobs:
            await self.queue.called_off(freed.jobs)
        await self.queue.deliver(moved)
        self.queue.log_submitted(wish.jobs)
        return Submitted(job.id, new=True)


async def _replaced(others: Sequence[Mapping[str, Any]], why: str) -> Freed:
    """Cancel jobs, and what only they needed, as far as that waits; one that began meanwhile runs on."""
    jobs, queues = list[Moved](), list[str]()
    states: Mapping[UUID, State] = {other["id"]: State(other["state"]) for other in others}
    while states:
        cancelled = await ledger.cancel(list(states), why)
        jobs += cancelled
        queues += [job.queue for job in cancelled if states.get(job.id) == State.QUEUED]
        states = await waiting.needed_no_more([job.id for job in cancelled])
    return Freed(jobs, queues)


async def _written(wishes: Sequence[Wish]) -> set[UUID]:
    """Return the ids of those that the same request has written before; each was written with all that it needs."""
    ids = [wish.job.id for wish in wishes if wish.job.again]
    return {row["id"] for row in await rows("SELECT id FROM job WHERE id = ANY($1::uuid[])", [ids])} if ids else set()
