"""The worker: one arq Worker for each queue in one event loop, and the loops that keep all jobs on their way."""

import asyncio
import logging
import os
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, Protocol

import arq
from pydantic import BaseModel
from redis.asyncio import Redis

from arqsvc.infra import Infra, open_infra
from arqsvc.infra.counts import Counts, pushed
from arqsvc.infra.http import open_http
from arqsvc.infra.pool import Pool
from arqsvc.infra.redis import WAIT_S, best_effort
from arqsvc.infra.storage import clear_abandoned_scratch, process_scratch
from arqsvc.infra.supervise import every, supervised
from arqsvc.jobs import ledger, measured, workers
from arqsvc.jobs.declare import Job
from arqsvc.jobs.lease import Lease, new_worker_id
from arqsvc.jobs.move import Claimed
from arqsvc.jobs.queue import NEWS, JobQueue, Place, check_served, parse_delivery, parse_news, queue_key
from arqsvc.jobs.queues import Modes
from arqsvc.jobs.record import QueueMode
from arqsvc.jobs.run import Run
from arqsvc.jobs.runner import Means, Runner
from arqsvc.settings import Settings

logger = logging.getLogger(__name__)

Jobs = Mapping[str, Job[Any, Any]]
"""Kinds, each with what does it."""

DUE_S = 0.5
"""Seconds between two looks for scheduled jobs whose time has come."""
UNRECORDED = 4
"""How many times as many jobs as run at a time may have ended and not yet be written: the ledger is that far behind."""
CHILDREN = 200
"""Most computations of a worker at a time; further ones wait for a child. The fork server takes no more than 300."""
BEHIND_S = 0.01
"""Seconds until the next look whether the ledger has caught up."""
TICK_S = 1.0
"""Seconds between two signs that the event loop is not blocked."""
LAST_ENDS_S = 15.0
"""Longest time for which a worker that stops waits until its last ends are recorded."""
AT_ONCE_S = 1.0
"""The same for one that is to stop at once."""
UNBLOCK_S = 0.05
"""Seconds between two tries to call a waiting connection back."""


class QueueWorker(arq.Worker):
    """arq's Worker of one queue under our rules: it waits in the queue, claims in batches, and polls nothing."""

    def __init__(self, infra: Infra, runner: Runner, queue: str, *, concurrency: int, most_behind: int) -> None:
        super().__init__(
            [arq.func(self._never, name="run")],
            queue_name=queue_key(queue),
            redis_pool=infra.redis,
            job_serializer=infra.redis.job_serializer,
            job_deserializer=infra.redis.job_deserializer,
            max_jobs=concurrency,
            handle_signals=False,
        )
        self.queue = queue
        self._most_behind = most_behind
        self._redis, self._runner = infra.redis, runner
        self._running = 0
        self._freed = asyncio.Event()
        self._paused = False
        self._stopped = False
        self._taking = False
        self._waits_as: int | None = None
        self.attempts: asyncio.TaskGroup
        """Where attempts run: it outlives a broken connection, and a worker that stops."""

    async def main(self) -> None:
        """Claim and run until told to stop."""
        async with self._redis.client() as connection:
            own = await connection.client_id()
            while not self._stopped:
                behind = self._runner.recorder.pending >= self._most_behind
                room = 0 if behind or self._paused else self.max_jobs - self._running
                if room:
                    await self._take(connection, own, room)
                    continue
                self._freed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEHIND_S if behind else None):
                        await self._freed.wait()

    async def pause(self, *, paused: bool) -> None:
        """Take nothing more until told otherwise; what runs goes on."""
        if paused != self._paused:
            self._paused = paused
            await self._call_back()

    async def stop(self) -> None:
        """Take nothing more; returns once nothing is being taken or claimed, so that nothing is cut short and lost."""
        self._stopped = True
        await self._call_back()

    async def finish(self) -> None:
        """Wait for what runs."""
        while self._running:
            self._freed.clear()
            await self._freed.wait()

    async def _call_back(self) -> None:
        """End the wait in the queue, if there is one, and wait until what was taken by then is claimed."""
        self._freed.set()
        while self._taking and (self._paused or self._stopped):
            if self._waits_as is not None:
                async with best_effort("a worker waits in its queue"):
                    await self._redis.client_unblock(self._waits_as)
            await asyncio.sleep(UNBLOCK_S)

    async def _take(self, connection: Redis, own: int, room: int) -> None:
        """Wait for deliveries, claim them in the ledger, and let them run."""
        self._taking, self._waits_as = True, own
        try:
            taken: Any = await connection.execute_command(  # type: ignore[no-untyped-call]
                "BZMPOP", WAIT_S, 1, self.queue_name, "MIN", "COUNT", room
            )
            self._waits_as = None
            if taken and self._paused:
                await self._redis.zadd(self.queue_name, dict(taken[1]))
            elif taken:
                await self._begin(taken[1])
        finally:
            self._taking, self._waits_as = False, None

    async def _begin(self, taken: Sequence[tuple[bytes, float]]) -> None:
        """Claim what was taken, and let it run; what cannot be claimed now goes back to its place."""
        try:
            claims = await self._runner.claim([parse_delivery(name.decode()) for name, _ in taken])
        except Exception:
            async with best_effort("what was taken waits until it is put back"):
                await self._redis.zadd(self.queue_name, dict(taken))
            raise
        for claimed, run in claims:
            self._running += 1
            self.attempts.create_task(self._run(claimed, run))
        await self._runner.tell(claims)

    async def _run(self, claimed: Claimed, run: Run) -> None:
        over = _once(self._over)
        try:
            await self._runner.run(claimed, run, over)
        except Exception:
            logger.exception("an attempt could not be recorded", extra={"job_id": claimed.id})
        finally:
            over()

    def _over(self) -> None:
        self._running -= 1
        self._freed.set()

    async def _never(self, ctx: dict[Any, Any]) -> None:
        """Stand for the function that arq wants; nothing calls it."""


def _once(call: Callable[[], None]) -> Callable[[], None]:
    """Return a function that makes this call the first time only."""
    calls = [call]

    def once() -> None:
        if calls:
            calls.pop()()

    return once


class Wish(Protocol):
    """What tells a worker to stop."""

    async def wait(self) -> None:
        """Return once it is to stop, in order."""

    async def insisted(self) -> None:
        """Return once it is to stop at once."""


class WorkerProcess:
    """All that a worker process runs."""

    def __init__(self, infra: Infra, runner: Runner, queue: JobQueue, lease: Lease, queues: Mapping[str, int]) -> None:
        self._infra, self._lease, self._queue, self._runner = infra, lease, queue, runner
        self._looked_to: Place | None = None
        self._modes, self._counts = Modes(), runner.counts
        self._dismissed = asyncio.Event()
        behind = UNRECORDED * sum(queues.values())
        self._workers = [
            QueueWorker(infra, runner, name, concurrency=number, most_behind=behind) for name, number in queues.items()
        ]

    async def run(self, stop: Wish) -> None:
        """Work until `stop` is wished, then drain."""
        await self._heed_modes()
        housekeeping = [
            ("news", self._hear_news),
            ("due", lambda: every(DUE_S, self._release)),
            ("reconcile", lambda: every(self._infra.settings.reconcile_s, self._reconcile)),
            ("put back", lambda: every(self._infra.settings.reconcile_s, self._put_back)),
            ("tick", lambda: every(TICK_S, self._lease.tick)),
        ]
        async with supervised([*housekeeping, *self._runner.loops]), asyncio.TaskGroup() as attempts:
            for worker in self._workers:
                worker.attempts = attempts
            async with supervised([(worker.queue_name, worker.main) for worker in self._workers]):
                logger.info("worker ready", extra={"worker": self._lease.worker})
                await self._until_told(stop)
                await self._take_no_more(stop)
            insisted = await self._drain(stop)
            try:
                async with asyncio.timeout(AT_ONCE_S if insisted else LAST_ENDS_S):
                    await self._runner.recorder.idle()
                    await self._runner.log.write()
            except TimeoutError:  # the lease sees to them
                logger.error("some ends are not recorded", extra={"ends": self._runner.recorder.pending})
            with suppress(TimeoutError):
                async with asyncio.timeout(AT_ONCE_S):
                    await self._runner.alone()
            if self._runner.left:
                logger.error("ended although coroutines that were cancelled go on", extra={"runs": self._runner.left})
                os._exit(1)

    async def _until_told(self, stop: Wish) -> None:
        """Return once somebody wants this worker to stop: whoever started it, or an operator."""
        async with asyncio.TaskGroup() as group:
            either = group.create_task(stop.wait()), group.create_task(self._dismissed.wait())
            await asyncio.wait(either, return_when=FIRST_COMPLETED)
            for task in either:
                task.cancel()

    async def _take_no_more(self, stop: Wish) -> None:
        """Stop claiming; what is being claimed is waited for, unless it is insisted."""
        async with asyncio.TaskGroup() as group:
            both = group.create_task(self._each(QueueWorker.stop)), group.create_task(stop.insisted())
            await asyncio.wait(both, return_when=FIRST_COMPLETED)
            for task in both:
                task.cancel()

    async def _drain(self, stop: Wish) -> bool:
        """Let running jobs finish; when the time is up, or it is insisted, give the rest back to their queues.

        Returns whether it was insisted.
        """
        logger.info("worker drains", extra={"worker": self._lease.worker})
        async with asyncio.TaskGroup() as group:
            finishing = group.create_task(self._each(QueueWorker.finish))
            insisting = group.create_task(stop.insisted())
            both = (finishing, insisting)
            await asyncio.wait(both, timeout=self._infra.settings.drain_s, return_when=FIRST_COMPLETED)
            if not (finishing.done() or insisting.done()):
                self._runner.interrupt_all()
                await asyncio.wait(both, return_when=FIRST_COMPLETED)
            if not finishing.done():
                self._runner.interrupt_all(grace_s=0.0)
                await finishing
            insisted = insisting.done()
            insisting.cancel()
        return insisted

    async def _each(self, act: Callable[[QueueWorker], Coroutine[Any, Any, None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(act(worker))

    async def _hear_news(self) -> None:
        """Heed what is said of queues; interrupt a job that is to be cancelled; take in what shares a run of ours."""
        async with self._infra.redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(NEWS)
            while True:
                if not (message := await channel.get_message(timeout=WAIT_S)):
                    continue
                worker, job, grace_s = parse_news(message["data"])
                if job is None:
                    await self._heed_modes()
                elif worker is None:
                    self._runner.interrupt(job, grace_s=grace_s)
                elif worker == self._lease.worker:
                    await self._runner.look_after_held()

    async def _heed_modes(self) -> None:
        """Pause the queues that are paused, or all of them if this worker is drained; go on with the others."""
        modes, wish = await self._modes.read(fresh=True), await workers.wish_of(self._lease.worker)
        if wish == workers.Wish.STOP:
            self._dismissed.set()
        for worker in self._workers:
            paused = modes.get(worker.queue) == QueueMode.PAUSED
            await worker.pause(paused=paused or wish == workers.Wish.DRAIN)

    async def _release(self) -> None:
        """Queue what is due, and what a limit held back and may begin by now."""
        due, limited = await ledger.waiting()
        if due:
            await self._queue.release_due()
        if limited:
            await self._queue.release_limited()

    async def _reconcile(self) -> None:
        """What no message can be trusted for: cancels, lost ends, the jobs of dead workers."""
        await self._runner.look_after_held()
        await self._heed_modes()
        if self._lease.steady:
            rescued = await self._queue.rescue(self._infra.settings.lease_s, self._lease.worker)
            measured.rescued(self._counts, rescued)
        await self._queue.free_overlooked()
        await asyncio.to_thread(clear_abandoned_scratch, self._infra.settings.scratch)

    async def _put_back(self) -> None:
        """Put back what Redis has forgotten; a loop of its own, because a Redis that hangs holds it up."""
        self._looked_to = await self._queue.put_back_forgotten(self._looked_to)


@asynccontextmanager
async def open_worker(
    settings: Settings,
    queues: Mapping[str, int],
    load: Callable[[], Jobs],
    preload: tuple[str, ...],
    family_settings: Mapping[type[BaseModel], BaseModel],
) -> AsyncIterator[WorkerProcess]:
    """Open all that a worker of these queues needs; its first heartbeat is written.

    Args:
        settings: where the servers are.
        queues: what it serves, and how many jobs it runs at a time in each.
        load: returns every kind that it can do; called while the fork server loads the same science beside it.
        preload: modules that child processes have loaded before their first call.
        family_settings: the settings of the families, by their class.

    Raises:
        CannotStart: a queue has no kind of job, or something cannot be opened.
    """
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(Pool(size=min(sum(queues.values()), CHILDREN), preload=preload))
        jobs = load()
        check_served(queues, {kind: job.params for kind, job in jobs.items()}, settings.routed)
        infra = await stack.enter_async_context(open_infra(settings))
        drop = partial(asyncio.get_running_loop().call_soon_threadsafe, infra.database.drop)
        lease = Lease(
            infra.database_url, new_worker_id(), queues, every_s=settings.heartbeat_s, hung_s=settings.hung_s,
            on_return=drop,
        )  # fmt: skip
        counts = Counts()
        await stack.enter_async_context(pushed(counts, infra.redis))
        await stack.enter_async_context(lease.held())
        scratch = await stack.enter_async_context(
            process_scratch(settings.scratch, lease.worker.replace(":", "-").replace(".", "-"))
        )
        http = await stack.enter_async_context(open_http(settings, infra.redis, counts))
        means = Means(infra, pool, http, jobs, scratch, family_settings, counts)
        queue = JobQueue(infra.redis, settings.routed)
        yield WorkerProcess(infra, Runner(means, lease.worker, queue), queue, lease, queues)
