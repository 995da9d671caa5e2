"""Who is alive: one heartbeat row a worker; what the dead held goes back.

The heartbeat is written by the database's clock, from a thread and a connection of its own, so that a busy event loop
does not look like a death. A worker judges others only once its own heartbeats have arrived for two intervals: after
the database was away, the living get the time to say so.
"""

import asyncio
import faulthandler
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
from tortoise import fields
from tortoise.models import Model

from arqsvc.errors import CannotStart
from arqsvc.infra.db import UNAVAILABLE, connect, rows

logger = logging.getLogger(__name__)

_BEAT = """INSERT INTO worker (id, host, pid, queues, slots, concurrency, started_at, heartbeat_at)
VALUES ($1, $2, $3, $4::jsonb, $5::jsonb, $6, now(), now()) ON CONFLICT (id) DO UPDATE SET heartbeat_at = now()
RETURNING extract(epoch FROM now())::float8"""


class WorkerRecord(Model):
    """One live worker process; a worker that stops in order deletes its row."""

    id = fields.CharField(128, primary_key=True)
    host = fields.CharField(255)
    pid = fields.IntField()
    queues: Any = fields.JSONField()
    slots: Any = fields.JSONField(null=True)
    """By queue, how many of its jobs it runs at a time."""
    concurrency = fields.IntField()
    started_at = fields.DatetimeField()
    heartbeat_at = fields.DatetimeField()
    wish = fields.CharField(16, null=True)
    """What an operator wants of it: `drain` or `stop`."""

    class Meta:
        """Table."""

        table = "worker"


def new_worker_id() -> str:
    """Return a name for this worker that tells an operator where to look: host, process id, and a random end."""
    return f"{socket.gethostname()[:80]}:{os.getpid()}:{uuid4().hex[:8]}"


async def forget_dead_workers(lease_s: float) -> None:
    """Delete the rows of workers that are dead and hold nothing any more."""
    await rows(
        """WITH dead AS (DELETE FROM worker WHERE heartbeat_at < now() - make_interval(secs => $1)
            AND NOT EXISTS (SELECT FROM job WHERE job.worker = worker.id AND job.state = 'running') RETURNING id)
        SELECT id FROM dead""",
        [lease_s],
    )


class Lease:
    """This worker's claim to be alive. `steady` says whether it may judge others.

    `on_return` is called, in the thread of the heartbeat, when one arrives after others have failed.
    """

    def __init__(
        self,
        database_url: str,
        worker: str,
        slots: Mapping[str, int],
        *,
        every_s: float,
        hung_s: float,
        on_return: Callable[[], object],
    ) -> None:
        self.worker = worker
        self._on_return = on_return
        self._database_url = database_url
        queues, concurrency = json.dumps(list(slots)), sum(slots.values())
        self._row = (worker, socket.gethostname(), os.getpid(), queues, json.dumps(slots), concurrency)
        self._every_s = every_s
        self._steady_s = 2 * every_s
        self._hung_s = hung_s
        self._ticked_at: float | None = None
        self._ahead_s: float | None = None
        """By how much the database's clock is ahead of the monotonic one."""
        self._since: float | None = None
        self._stopped = threading.Event()
        self._first = threading.Event()

    @property
    def steady(self) -> bool:
        """Whether this worker's heartbeats have arrived for two intervals without a break."""
        since = self._since
        return since is not None and time.monotonic() - since >= self._steady_s

    async def tick(self) -> None:
        """Note that the event loop is not blocked."""
        self._ticked_at = time.monotonic()

    def _end_if_hung(self) -> None:
        """End this process if its event loop has been blocked for longer than it may; its jobs go on elsewhere."""
        hung_s = time.monotonic() - self._ticked_at if self._ticked_at else 0.0
        if self._hung_s and hung_s > self._hung_s:
            logger.critical("the event loop is blocked; this worker ends itself", extra={"blocked_s": round(hung_s)})
            faulthandler.dump_traceback(all_threads=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def _heed_clock(self, now_s: float) -> None:
        """Judge nobody for a while if the database's clock has jumped, or this machine has slept."""
        ahead_s = now_s - time.monotonic()
        if self._ahead_s is not None and abs(ahead_s - self._ahead_s) > self._every_s and self._since is not None:
            logger.warning("a clock jumped", extra={"worker": self.worker, "by_s": round(ahead_s - self._ahead_s, 1)})
            self._since = time.monotonic()
        self._ahead_s = ahead_s

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Beat until the block ends, then delete the row.

        Raises:
            CannotStart: the first heartbeat did not arrive within 15 s.
        """
        thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        thread.start()
        try:
            if not await asyncio.to_thread(self._first.wait, 15.0):
                raise CannotStart("The worker cannot write its heartbeat to PostgreSQL. Check ARQSVC_DATABASE_URL.")
            yield
        finally:
            self._stopped.set()
            await asyncio.to_thread(thread.join, 10.0)

    def _run(self) -> None:
        try:
            asyncio.run(self._beat_until_stopped())
        except BaseException:  # without a heartbeat this worker's jobs would run elsewhere too
            logger.critical("the heartbeat failed as it never may; this worker ends itself", exc_info=True)
            os.kill(os.getpid(), signal.SIGKILL)

    async def _beat_until_stopped(self) -> None:
        while not self._stopped.is_set():
            try:
                connection = await connect(self._database_url, timeout_s=self._every_s)
                try:
                    await self._beat(connection)
                finally:
                    connection.terminate()
            except (*UNAVAILABLE, CannotStart) as error:
                self._since = None
                logger.warning("heartbeat failed", extra={"worker": self.worker, "error": str(error)})
                await asyncio.to_thread(self._stopped.wait, min(1.0, self._every_s))

    async def _beat(self, connection: asyncpg.Connection) -> None:
        while not self._stopped.is_set():
            self._heed_clock(await connection.fetchval(_BEAT, *self._row, timeout=self._every_s))
            if self._since is None and self._first.is_set():
                self._on_return()
            self._since = self._since or time.monotonic()
            self._first.set()
            self._end_if_hung()
            await asyncio.to_thread(self._stopped.wait, self._every_s)
        await connection.execute("DELETE FROM worker WHERE id = $1", self.worker, timeout=self._every_s)
