"""The worker: one arq Worker for each queue in one event loop, and the loops that keep all jobs on their way."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import arq
from pydantic import BaseModel

from arqsvc.errors import CannotStart
from arqsvc.infra import Infra, open_infra
from arqsvc.infra.http import open_http
from arqsvc.infra.pool import Pool
from arqsvc.infra.redis import WAIT_S
from arqsvc.infra.storage import clear_abandoned_scratch, process_scratch
from arqsvc.infra.supervise import every, supervised
from arqsvc.jobs.declare import Job
from arqsvc.jobs.lease import Lease, new_worker_id
from arqsvc.jobs.queue import FUNCTION, NEWS, JobQueue, Place, parse_delivery, parse_news, queue_key
from arqsvc.jobs.runner import Means, Runner
from arqsvc.settings import Settings

logger = logging.getLogger(__name__)

Jobs = Mapping[str, Job[Any, Any]]
"""Kinds, each with what does it."""

POLL_S = 0.05
"""Seconds between two looks of arq into a queue."""
DUE_S = 0.5
"""Seconds between two looks for scheduled jobs whose time has come."""
CLAIM_S = 15
"""Seconds from a claim in Redis to the claim in the ledger, after which another worker may try."""
_FOREVER_S = 365 * 86_400


class QueueWorker(arq.Worker):
    """arq's Worker of one queue: claims and delivers, while the ledger counts tries, times and results."""

    def __init__(self, infra: Infra, runner: Runner, queue: str, *, concurrency: int) -> None:
        async def run(ctx: dict[Any, Any], job: str) -> None:
            await runner.run(*parse_delivery(ctx["job_id"]))

        super().__init__(
            [arq.func(run, name=FUNCTION)],
            queue_name=queue_key(queue),
            redis_pool=infra.redis,
            job_serializer=infra.redis.job_serializer,
            job_deserializer=infra.redis.job_deserializer,
            max_jobs=concurrency,
            queue_read_limit=1000,
            poll_delay=POLL_S,
            job_timeout=_FOREVER_S,
            keep_result=0,
            max_tries=1_000_000,
            handle_signals=False,
            log_results=False,
        )
        self.in_progress_timeout_s = CLAIM_S

    async def main(self) -> None:
        """Claim and deliver until cancelled; a claim that a broken connection cut short gives its slot back."""
        try:
            await super().main()
        finally:
            claimed = sum(not task.done() for task in self.tasks.values())
            self.job_counter = claimed
            self.sem = asyncio.BoundedSemaphore(self.max_jobs + 1)
            for _ in range(claimed):
                await self.sem.acquire()

    async def finish(self) -> None:
        """Wait for what was claimed."""
        while self.tasks:
            await asyncio.wait(self.tasks.values())
            self.tasks = {name: task for name, task in self.tasks.items() if not task.done()}


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
        async with supervised(housekeeping):
            async with supervised([(worker.queue_name, worker.main) for worker in self._workers]):
                logger.info("worker ready", extra={"worker": self._lease.worker})
                await stopped()
            await self._drain()

    async def _drain(self) -> None:
        """Let running jobs finish; when the time is up, give the rest back to their queues."""
        logger.info("worker drains", extra={"worker": self._lease.worker})
        try:
            async with asyncio.timeout(self._infra.settings.drain_s):
                await self._finish_claimed()
        except TimeoutError:
            self._runner.interrupt_all()
            await self._finish_claimed()

    async def _finish_claimed(self) -> None:
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(worker.finish())

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
        lease = Lease(
            infra.database_url, new_worker_id(), queues, concurrency=settings.concurrency, every_s=settings.heartbeat_s
        )
        await stack.enter_async_context(lease.held())
        scratch = await stack.enter_async_context(
            process_scratch(settings.scratch, lease.worker.replace(":", "-").replace(".", "-"))
        )
        http = await stack.enter_async_context(open_http(settings, infra.redis))
        means = Means(infra, pool, http, jobs, scratch, family_settings)
        yield WorkerProcess(infra, Runner(means, lease.worker), lease, queues)
