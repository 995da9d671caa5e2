"""Submit, cancel, and keep Redis in step: the row first, then Redis, which may be emptied at any time.

In Redis a queue is one sorted set of deliveries. A worker takes what stands first out of it, several in one trip, and
waits there while it is empty. What it took and could not claim in the ledger it puts back, or else the reconciler does.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from arqsvc.errors import CannotStart, Conflict
from arqsvc.infra.db import REFUSED, transaction
from arqsvc.infra.grouped import Grouped
from arqsvc.infra.redis import ArqRedis, best_effort, from_json, to_json
from arqsvc.jobs import ledger, limits, waiting
from arqsvc.jobs.declare import Params
from arqsvc.jobs.events import announce
from arqsvc.jobs.lease import forget_dead_workers
from arqsvc.jobs.move import Moved, Written
from arqsvc.jobs.new import AS_ITS_KIND_SAYS, NewJob, Options, insert, new_jobs, routed
from arqsvc.jobs.queues import Modes, count_flow, set_mode
from arqsvc.jobs.record import FINAL, JobRecord, QueueMode, State

logger = logging.getLogger(__name__)

NEWS = "arqsvc:news"
"""Channel that tells workers at once what they would find out at their next look into the ledger."""
PAGE = 500
PAGES_A_LOOK = 20
MOST_LOGGED = 20
"""Ids that one log line names."""
Place = tuple[datetime, UUID]
"""Where a job stands in the order of waiting: since when, and its id."""


def queue_key(queue: str) -> str:
    """Return the Redis key of a queue."""
    return f"arqsvc:queue:{queue}"


def delivery(job: UUID, dispatch: int) -> str:
    """Return the name of one delivery of a job: each time it is queued anew, it is another."""
    return f"{job}:{dispatch}"


def parse_delivery(text: str) -> tuple[UUID, int]:
    """Return the job and the number of the delivery that `delivery` made."""
    job, _, dispatch = text.rpartition(":")
    return UUID(job), int(dispatch)


class JobQueue:
    """The submitter's side of the queues, over one Redis pool."""

    def __init__(self, redis: ArqRedis, routes: Sequence[tuple[str, str]] = ()) -> None:
        self.redis = redis
        self._routes = routes
        self.modes = Modes()
        self._new = Grouped(self._write_new, alone=REFUSED)

    async def run(self) -> None:
        """Write what is submitted, until cancelled; only who submits needs it."""
        await self._new.run()

    async def submit(self, params: Params, *, project: str, options: Options = AS_ITS_KIND_SAYS) -> UUID:
        """Write a job with all that it needs, and queue it; returns its id.

        Once this returns, the job is not lost any more. The options are for the job itself; a delay holds back what it
        needs as well.

        Raises:
            Conflict: one of their queues takes in no new jobs.
        """
        jobs = self.new_jobs(params, project, options)
        await self.check_open(job.queue for job in jobs)
        await self.write(jobs)
        return jobs[-1].id

    async def submit_all(
        self, batch: Sequence[Params], *, project: str, options: Options = AS_ITS_KIND_SAYS
    ) -> list[UUID]:
        """Write many jobs, each with all that it needs, in few statements; returns their ids, in the order given.

        Raises:
            Conflict: one of their queues takes in no new jobs; none is written.
        """
        jobs = [self.new_jobs(params, project, options) for params in batch]
        await self.check_open(job.queue for each in jobs for job in each)
        await self.write_all(jobs)
        return [each[-1].id for each in jobs]

    def new_jobs(
        self, params: Params, project: str, options: Options, ids: Iterator[UUID] | None = None
    ) -> list[NewJob]:
        """Return a job and, before it, all that it needs, see `new.py`."""
        return new_jobs(params, project, options, self._routes, ids)

    async def write(self, jobs: Sequence[NewJob]) -> Written | None:
        """Write a job and, before it, all that it needs, and queue them; returns how it was written.

        Returns None where the same request had written it before.

        Whether their queues take in new jobs was looked at before, see `check_open`.
        """
        written = await self._new(jobs)
        self.log_submitted(jobs)
        return written

    async def write_all(self, batch: Sequence[Sequence[NewJob]], *, at_once: bool = False) -> None:
        """Write many jobs, each with all that it needs, in few statements, as `write` does.

        Args:
            at_once: in one transaction: all, or none.
        """
        pages = [batch[first : first + PAGE] for first in range(0, len(batch), PAGE)]
        if at_once:
            async with transaction():
                moved = [await insert([job for jobs in page for job in jobs]) for page in pages]
            for each in moved:
                await self.deliver(each)
        else:
            for page in pages:
                await self._write_new(page)
        logger.info("jobs submitted", extra={"jobs": len(batch)})

    async def check_open(self, queues: Iterable[str]) -> None:
        """Refuse to submit to queues of which one takes in no new jobs.

        Raises:
            Conflict: there is such a queue; names it.
        """
        for refused in await self.modes.draining(set(queues)):
            raise Conflict(
                f"The queue {refused} takes in no new jobs: it is being emptied. Try again once it is open, or name "
                "another queue.",
                queue=refused,
            )

    def log_submitted(self, jobs: Iterable[NewJob]) -> None:
        """Say in the log that these are submitted."""
        for job in jobs:
            logger.info("job submitted", extra={"job_id": job.id, "kind": job.kind, "queue": job.queue})

    async def _write_new(self, submitted: Sequence[Sequence[NewJob]]) -> list[Written | None]:
        """Write what several submitted, each a job with all that it needs, and queue it; returns how."""
        written = await insert([job for jobs in submitted for job in jobs])
        await self.deliver(written)
        by_id = {job.id: job for job in written}
        return [by_id.get(jobs[-1].id) for jobs in submitted]

    async def cancel(self, job: UUID, reason: str | None = None, grace_s: float | None = None) -> None:
        """Cancel a waiting job at once; ask the worker of a running one to end it.

        What it needs is cancelled too, unless another job waits for that. `grace_s` is how long a running one may take
        to clean up before it is given up and its processes are killed; None for what its worker grants.

        Raises:
            Conflict: the job has ended.
        """
        while not await self.cancel_all([job], reason, grace_s):
            if (await JobRecord.get(id=job)).state in FINAL:
                raise await not_possible(job, "cancelled", "A job can be cancelled until it has ended.")

    async def cancel_all(self, jobs: Sequence[UUID], reason: str | None = None, grace_s: float | None = None) -> int:
        """Cancel those of these jobs that have not ended, as `cancel` does; returns how many."""
        moved = await ledger.cancel(jobs, reason)
        asked = await ledger.ask_cancel(jobs, reason, grace_s)
        if asked:
            logger.info("cancel requested", extra={"jobs": [str(job) for job in asked[:MOST_LOGGED]]})
        for job in asked:
            await self.tell(None, job, grace_s)
        if moved:
            await self.called_off(moved)
        wanted = set(jobs)
        return len(asked) + sum(job.id in wanted for job in moved)

    async def called_off(self, moved: Sequence[Moved]) -> None:
        """Carry on from jobs that were cancelled while they waited."""
        ids = [str(job.id) for job in moved if job.state == State.CANCELLED]
        logger.info("jobs cancelled", extra={"jobs": ids[:MOST_LOGGED], "number": len(ids)})
        async with best_effort("stale deliveries are left in Redis"), self.redis.pipeline(transaction=False) as pipe:
            for job in moved:
                if job.state == State.CANCELLED:
                    pipe.zrem(queue_key(job.queue), delivery(job.id, job.dispatch))
            await pipe.execute()
        await self.deliver(moved)
        await self.let_go(moved)

    async def set_mode(self, queue: str, mode: QueueMode) -> None:
        """Open, pause or drain a queue; workers hear of it at once."""
        await set_mode(queue, mode)
        await self.modes.read(fresh=True)
        logger.info("queue changed", extra={"queue": queue, "mode": mode.value})
        await self.wake_workers()

    async def wake_workers(self) -> None:
        """Make all workers look at what the queues, and they themselves, are to do."""
        async with best_effort("news wait for the worker's next look"):
            await self.redis.publish(NEWS, to_json([None, None, None]))

    async def purge(self, queue: str, reason: str | None = None) -> AsyncIterator[Counter[str]]:
        """Cancel all that waits in a queue, and what only that needed; yields, page by page, how many of which project.

        Counted are the jobs of the queue.
        """
        purged = 0
        while moved := await ledger.purge(queue, reason, PAGE):
            waited = [job.id for job in moved if job.queue == queue]
            yield Counter(await ledger.by_project(waited))
            purged += len(waited)
            await self.called_off(moved)
        logger.info("queue purged", extra={"queue": queue, "jobs": purged})

    async def let_go(self, jobs: Iterable[Moved]) -> None:
        """Cancel what these jobs needed, if they have ended without it and nobody else waits for it."""
        ended = [job.id for job in jobs if job.state in {State.FAILED, State.CANCELLED}]
        for needed in await waiting.needed_no_more(ended) if ended else ():
            with suppress(Conflict):
                await self.cancel(needed)

    async def tell(self, worker: str | None, job: UUID, grace_s: float | None = None) -> None:
        """Tell a worker to look at the row of a job; if `worker` is None, the one that runs it to cancel it."""
        async with best_effort("news wait for the worker's next look", job_id=job):
            await self.redis.publish(NEWS, to_json([worker, str(job), grace_s]))

    async def deliver(self, moved: Iterable[Moved]) -> None:
        """Tell followers of these changes, and put those that are now queued into Redis.

        If Redis is away the rows stay queued, and the reconciler of a worker puts them back.
        """
        moved = list(moved)
        if not moved:
            return
        async with best_effort("jobs are not yet in Redis"), self.redis.pipeline(transaction=False) as pipe:
            _enqueue(pipe, (job for job in moved if job.state == State.QUEUED))
            announce(pipe, moved)
            count_flow(pipe, moved)
            await pipe.execute()

    async def put_back_forgotten(self, after: Place | None) -> Place | None:
        """Put back what is queued in PostgreSQL and unknown to Redis, from a place in the order of waiting on.

        Returns the place to go on from at the next look, None for the beginning: a long backlog is looked through in
        several goes, unless much of it is missing.
        """
        put_back, pages = 0, 0
        while page := await ledger.queued_page(after, PAGE):
            if missing := await self._unknown(page):
                async with self.redis.pipeline(transaction=False) as pipe:
                    _enqueue(
                        pipe,
                        [
                            Moved(row["id"], row["queue"], State.QUEUED, 0, row["dispatch"], row["place"])
                            for row in missing
                        ],
                    )
                    await pipe.execute()
            put_back, pages = put_back + len(missing), pages + (not missing)
            after = (page[-1]["queued_at"], page[-1]["id"])
            if pages == PAGES_A_LOOK:
                break
        else:
            after = None
        if put_back:
            logger.info("put back what Redis had forgotten", extra={"jobs": put_back})
        return after

    async def release_due(self) -> None:
        """Queue the scheduled jobs whose time has come."""
        while moved := await ledger.release_due(PAGE):
            await self.deliver(moved)

    async def release_limited(self) -> None:
        """Queue the jobs that were held back by a limit and may begin by now."""
        await self.deliver(await limits.release())

    async def free_overlooked(self) -> None:
        """Free the jobs that are blocked by nothing any more."""
        if moved := await waiting.free_overlooked():
            logger.info("freed blocked jobs", extra={"jobs": len(moved)})
            await self.deliver(moved)

    async def rescue(self, lease_s: float, judge: str) -> list[Moved]:
        """Take from dead workers what they ran, in the name of a live one; returns what it was, and what that freed."""
        if moved := await ledger.rescue(lease_s, judge):
            for job in moved:
                logger.warning("job rescued", extra={"job_id": job.id, "state": job.state})
            await self.deliver(moved)
        await forget_dead_workers(lease_s)
        return moved

    async def _unknown(self, page: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return those rows whose delivery has no place in its queue."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for row in page:
                pipe.zscore(queue_key(row["queue"]), delivery(row["id"], row["dispatch"]))
            found = await pipe.execute()
        return [row for row, place in zip(page, found, strict=True) if place is None]


def _enqueue(pipe: Any, jobs: Iterable[Moved]) -> None:
    """Put jobs into their queues, each at its place."""
    places = defaultdict[str, dict[str, float]](dict)
    for job in jobs:
        places[job.queue][delivery(job.id, job.dispatch)] = job.place
    for queue, mapping in places.items():
        pipe.zadd(queue_key(queue), mapping)


def parse_news(data: bytes) -> tuple[str | None, UUID | None, float | None]:
    """Return what `JobQueue.tell` was given; no job where the mode of a queue, or a worker's, has changed."""
    worker, job, grace_s = from_json(data)
    return worker, UUID(job) if job else None, grace_s


def known_queues(kinds: Mapping[str, type[Params]], routes: Iterable[tuple[str, str]]) -> list[str]:
    """Return the queues that these kinds use, and those that they would without routes: jobs may still be there."""
    routes = tuple(routes)
    return sorted({queue for kind in kinds.values() for queue in (kind.queue, routed(kind, routes))})


def check_served(queues: Iterable[str], kinds: Mapping[str, type[Params]], routes: Iterable[tuple[str, str]]) -> None:
    """Refuse to serve a queue that no kind uses.

    Raises:
        CannotStart: there is one; names it and those that there are.
    """
    known = known_queues(kinds, routes)
    if unknown := set(queues) - set(known):
        names = ", ".join(sorted(unknown))
        raise CannotStart(f"No kind of job uses the queue {names}. Known: {', '.join(known)}.")


async def not_possible(job: UUID, verb: str, hint: str) -> Conflict:
    """Return the error of what cannot be done to a job in its state."""
    row = await JobRecord.get(id=job)
    return Conflict(f"Job {job} is {row.state.value} and cannot be {verb}. {hint}", state=row.state.value)
