"""The worker: one arq Worker for each queue in one event loop, and the loops that keep all jobs on their way."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import arq
from pydantic import BaseModel
from redis.asyncio import Redis

from arqsvc.errors import CannotStart
from arqsvc.infra import Infra, open_infra
from arqsvc.infra.http import open_http
from arqsvc.infra.pool import Pool
from arqsvc.infra.redis import WAIT_S, best_effort
from arqsvc.infra.storage import clear_abandoned_scratch, process_scratch
from arqsvc.infra.supervise import every, supervised
from arqsvc.jobs.declare import Job
from arqsvc.jobs.lease import Lease, new_worker_id
from arqsvc.jobs.ledger import Moved
from arqsvc.jobs.queue import NEWS, JobQueue, Place, parse_delivery, parse_news, queue_key
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
UNBLOCK_S = 0.05
"""Seconds between two tries to call a waiting connection back."""


class QueueWorker(arq.Worker):
    """arq's Worker of one queue under our rules: it waits in the queue, claims in batches, and polls nothing."""

    def __init__(self, infra: Infra, runner: Runner, queue: str, *, concurrency: int) -> None:
        super().__init__(
            [arq.func(self._never, name="run")],
            queue_name=queue_key(queue),
            redis_pool=infra.redis,
            job_serializer=infra.redis.job_serializer,
            job_deserializer=infra.redis.job_deserializer,
            max_jobs=concurrency,
            handle_signals=False,
        )
        self._redis, self._runner = infra.redis, runner
        self._running: set[UUID] = set()
        self._unrecorded: set[UUID] = set()
        self._freed = asyncio.Event()
        self._freed.set()
        self._stopped = False
        self._taking = False
        self._waits_as: int | None = None
        self.attempts: asyncio.TaskGroup
        """Where attempts run: it outlives a broken connection, and a worker that stops."""

    async def main(self) -> None:
        """Claim and run until told to stop."""
        async with self._redis.client() as connection:
            own = await connection.client_id()
            while True:
                await self._freed.wait()
                if self._stopped:
                    return
                room = min(self.max_jobs - len(self._running), UNRECORDED * self.max_jobs - len(self._unrecorded))
                if room <= 0:
                    self._freed.clear()
                    continue
                self._taking = True
                try:
                    await self._take(connection, own, room)
                finally:
                    self._taking = False

    async def stop(self) -> None:
        """Take nothing more; returns once nothing is being taken or claimed, so that nothing is cut short and lost."""
        self._stopped = True
        self._freed.set()
        while self._taking:
            if self._waits_as is not None:
                async with best_effort("a worker waits in its queue"):
                    await self._redis.client_unblock(self._waits_as)
            await asyncio.sleep(UNBLOCK_S)

    async def finish(self) -> None:
        """Wait for what was claimed."""
        while self._unrecorded:
            self._freed.clear()
            await self._freed.wait()

    async def _take(self, connection: Redis, own: int, room: int) -> None:
        """Wait for deliveries, claim them in the ledger, and let them run."""
        self._waits_as = own
        try:
            taken: Any = await connection.execute_command(  # type: ignore[no-untyped-call]
                "BZMPOP", WAIT_S, 1, self.queue_name, "MIN", "COUNT", room
            )
        finally:
            self._waits_as = None
        deliveries = [parse_delivery(name.decode()) for name, _ in taken[1]] if taken else []
        for claimed, run in await self._runner.claim(deliveries) if deliveries else ():
            self._running.add(claimed.id)
            self._unrecorded.add(claimed.id)
            self.attempts.create_task(self._run(claimed, run))

    async def _run(self, claimed: Moved, run: Run) -> None:
        def over() -> None:
            self._running.discard(claimed.id)
            self._freed.set()

        try:
            await self._runner.run(claimed, run, over)
        except Exception:
            logger.exception("an attempt could not be recorded", extra={"job_id": claimed.id})
        finally:
            self._unrecorded.discard(claimed.id)
            over()

    async def _never(self, ctx: dict[Any, Any]) -> None:
        """Stand for the function that arq wants; nothing calls it."""


class WorkerProcess:
    """All that a worker process runs."""

    def __init__(self, infra: Infra, runner: Runner, lease: Lease, queues: Sequence[str]) -> None:
        self._infra, self._lease = infra, lease
        self._queue = JobQueue(infra.redis)
        self._runner = runner
        self._looked_to: Place | None = None
        self._workers = [
            QueueWorker(infra, self._runner, queue, concurrency=infra.settings.concurrency) for queue in queues
        ]

    async def run(self, stopped: Callable[[], Awaitable[None]]) -> None:
        """Work until `stopped` returns, then drain."""
        housekeeping = [
            ("news", self._hear_news),
            ("due", lambda: every(DUE_S, self._queue.release_due)),
            ("reconcile", lambda: every(self._infra.settings.reconcile_s, self._reconcile)),
        ]
        async with supervised([*housekeeping, *self._runner.loops]), asyncio.TaskGroup() as attempts:
            for worker in self._workers:
                worker.attempts = attempts
            async with supervised([(worker.queue_name, worker.main) for worker in self._workers]):
                logger.info("worker ready", extra={"worker": self._lease.worker})
                await stopped()
                await self._each(QueueWorker.stop)
            await self._drain()

    async def _drain(self) -> None:
        """Let running jobs finish; when the time is up, give the rest back to their queues."""
        logger.info("worker drains", extra={"worker": self._lease.worker})
        try:
            async with asyncio.timeout(self._infra.settings.drain_s):
                await self._each(QueueWorker.finish)
        except TimeoutError:
            self._runner.interrupt_all()
            await self._each(QueueWorker.finish)

    async def _each(self, act: Callable[[QueueWorker], Coroutine[Any, Any, None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(act(worker))

    async def _hear_news(self) -> None:
        """Interrupt a job that is to be cancelled; take in what another worker found to share a run of ours."""
        async with self._infra.redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(NEWS)
            while True:
                message = await channel.get_message(timeout=WAIT_S)
                if message:
                    worker, job = parse_news(message["data"])
                    if worker is None:
                        await self._runner.interrupt(job)
                    elif worker == self._lease.worker:
                        await self._runner.look_after_held()

    async def _reconcile(self) -> None:
        """What no message can be trusted for: cancels, lost ends, the jobs of dead workers, forgotten jobs."""
        await self._runner.look_after_held()
        if self._lease.steady:
            await self._queue.rescue(self._infra.settings.lease_s)
        await self._queue.free_overlooked()
        await asyncio.to_thread(clear_abandoned_scratch, self._infra.settings.scratch)
        self._looked_to = await self._queue.put_back_forgotten(self._looked_to)


@asynccontextmanager
async def open_worker(
    settings: Settings,
    queues: Sequence[str],
    load: Callable[[], Jobs],
    preload: tuple[str, ...],
    family_settings: Mapping[type[BaseModel], BaseModel],
) -> AsyncIterator[WorkerProcess]:
    """Open all that a worker of these queues needs; its first heartbeat is written.

    Args:
        settings: where the servers are.
        queues: what it serves.
        load: returns every kind that it can do; called while the fork server loads the same science beside it.
        preload: modules that child processes have loaded before their first call.
        family_settings: the settings of the families, by their class.

    Raises:
        CannotStart: a queue has no kind of job, or something cannot be opened.
    """
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(Pool(size=settings.concurrency * len(queues), preload=preload))
        jobs = load()
        known = {job.params.queue for job in jobs.values()}
        if unknown := set(queues) - known:
            names = ", ".join(sorted(known))
            raise CannotStart(f"No kind of job uses the queue {', '.join(sorted(unknown))}. Known: {names}.")
        infra = await stack.enter_async_context(open_infra(settings))
        drop = partial(asyncio.get_running_loop().call_soon_threadsafe, infra.database.drop)
        lease = Lease(
            infra.database_url, new_worker_id(), queues, concurrency=settings.concurrency,
            every_s=settings.heartbeat_s, on_return=drop,
        )  # fmt: skip
        await stack.enter_async_context(lease.held())
        scratch = await stack.enter_async_context(
            process_scratch(settings.scratch, lease.worker.replace(":", "-").replace(".", "-"))
        )
        http = await stack.enter_async_context(open_http(settings, infra.redis))
        means = Means(infra, pool, http, jobs, scratch, family_settings)
        yield WorkerProcess(infra, Runner(means, lease.worker), lease, queues)
