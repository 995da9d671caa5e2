"""GET /metrics, for Prometheus: the queues as the ledger has them, what workers counted, what this process answered.

Any process of the API tells of the whole service. Only what begins with `arqsvc_api_` is of the process that is asked.
No label names a project, a job or a key.
"""

import asyncio
import time
from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from arqsvc import __version__
from arqsvc.api import observed
from arqsvc.api.exposition import OPEN_METRICS, TEXT, exposed
from arqsvc.api.gate import authenticate
from arqsvc.api.held import of
from arqsvc.api.keys import Scope
from arqsvc.contract import Queue
from arqsvc.infra import Infra
from arqsvc.infra.budget import THROTTLED
from arqsvc.infra.counts import Field, Metric, N, counted
from arqsvc.infra.db import UNAVAILABLE
from arqsvc.infra.http import BYTES, REQUESTS
from arqsvc.infra.redis import RedisError
from arqsvc.jobs import measured
from arqsvc.jobs.queues import states
from arqsvc.jobs.record import QueueMode
from arqsvc.jobs.workers import live_workers

UP = Metric("arqsvc_up", "Whether a part of the service answers.", ("part",), "gauge")
BUILD = Metric("arqsvc_build_info", "The version of this process of the API.", ("version",), "gauge")
JOBS = Metric("arqsvc_jobs", "Jobs that have not ended.", ("queue", "state"), "gauge")
OLDEST = Metric(
    "arqsvc_queue_oldest_seconds", "For how long the job that has waited longest is queued.", ("queue",), "gauge"
)
QUEUE_WORKERS = Metric("arqsvc_queue_workers", "Live workers that serve a queue.", ("queue",), "gauge")
SLOTS = Metric("arqsvc_queue_slots", "Jobs that they run at a time, all together.", ("queue",), "gauge")
MODE = Metric("arqsvc_queue_mode", "1 for the mode that a queue is in.", ("queue", "mode"), "gauge")
WORKERS = Metric("arqsvc_workers", "Live workers.", (), "gauge")
CONNECTIONS = Metric(
    "arqsvc_api_db_connections", "Connections of this process to PostgreSQL.", ("pool", "state"), "gauge"
)

METRICS = (
    UP, BUILD, JOBS, OLDEST, QUEUE_WORKERS, SLOTS, MODE, WORKERS, *measured.METRICS, REQUESTS, BYTES, THROTTLED,
    observed.REQUESTS, observed.SECONDS, observed.STREAMS, CONNECTIONS,
)  # fmt: skip
"""All that is told, in this order."""

FRESH_S = 1.0
"""Seconds for which what was read of the service is told again."""
WAIT_S = 5.0
"""Longest wait for a part of the service; what does not answer is told as not up."""


class Service:
    """What the ledger and the workers say, as of a second ago at most, however many ask."""

    def __init__(self) -> None:
        self._reading = asyncio.Lock()
        self._read_at = -FRESH_S
        self._numbers: dict[Field, float] = {}

    async def read(self, infra: Infra, known: list[str]) -> Mapping[Field, float]:
        """Return the numbers of the whole service."""
        async with self._reading:
            if time.monotonic() - self._read_at >= FRESH_S:
                self._numbers = {**await _ledger(infra, known), **await _workers(infra)}
                self._read_at = time.monotonic()
        return self._numbers


async def metrics(request: Request) -> Response:
    """GET /metrics: all numbers, in the format that the request accepts."""
    held = of(request)
    if held.infra.settings.metrics == "off":
        raise HTTPException(HTTPStatus.NOT_FOUND)
    if held.infra.settings.metrics == "key":
        (await authenticate(request)).must(Scope.READ)
    service = await held.service.read(held.infra, held.queues)
    numbers = {**service, **held.seen.counts.numbers(), **_process(held.infra, held.seen)}
    wants_open = "application/openmetrics-text" in request.headers.get("accept", "")
    return Response(exposed(METRICS, numbers, open_metrics=wants_open), media_type=OPEN_METRICS if wants_open else TEXT)


async def _ledger(infra: Infra, known: list[str]) -> dict[Field, float]:
    try:
        async with asyncio.timeout(WAIT_S):
            queues = await states(infra.redis, known, infra.settings.lease_s)
            workers = len(await live_workers(infra.settings.lease_s))
    except UNAVAILABLE:
        return _gauge(UP, 0, "database")
    found = {**_gauge(UP, 1, "database"), **_gauge(WORKERS, workers)}
    for queue in queues:
        found |= _queue(queue)
    return found


def _queue(state: Queue) -> dict[Field, float]:
    name = state.queue
    depth = {
        "queued": state.queued, "scheduled": state.scheduled, "blocked": state.blocked, "running": state.running,
    }  # fmt: skip
    found = {**_gauge(OLDEST, state.oldest_s, name), **_gauge(QUEUE_WORKERS, state.workers, name)}
    found |= _gauge(SLOTS, state.slots, name)
    for each, n in depth.items():
        found |= _gauge(JOBS, n, name, each)
    for mode in QueueMode:
        found |= _gauge(MODE, int(mode == state.mode), name, mode.value)
    return found


async def _workers(infra: Infra) -> dict[Field, float]:
    try:
        async with asyncio.timeout(WAIT_S):
            return {**await counted(infra.redis), **_gauge(UP, 1, "redis")}
    except (RedisError, OSError):  # a TimeoutError is an OSError
        return _gauge(UP, 0, "redis")


def _process(infra: Infra, seen: observed.Seen) -> dict[Field, float]:
    """Return what is of this process alone."""
    found = _gauge(BUILD, 1, __version__)
    for transport, n in seen.streams.items():
        found |= _gauge(observed.STREAMS, n, transport)
    for pool, (size, idle) in infra.database.use().items():
        found |= {**_gauge(CONNECTIONS, size - idle, pool, "used"), **_gauge(CONNECTIONS, idle, pool, "idle")}
    return found


def _gauge(metric: Metric, number: float, *labels: str) -> dict[Field, float]:
    return {(metric.name, labels, N): number}
