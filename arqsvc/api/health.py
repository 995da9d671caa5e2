"""/livez: the process answers; /readyz: database, Redis and a worker of each queue."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from arqsvc.infra import Infra
from arqsvc.infra.db import UNAVAILABLE, rows
from arqsvc.infra.redis import RedisError
from arqsvc.jobs.queue import known_queues

WAIT_S = 2.0


async def livez(request: Request) -> Response:
    """GET /livez: 200 as long as this process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """GET /readyz: 200 when all is there, else 503; each part by name. Needs no key and tells no secret."""
    infra: Infra = request.app.state.infra
    checks = {"database": "ok", "redis": "ok"}
    try:
        async with asyncio.timeout(WAIT_S):
            alive = await rows(
                "SELECT jsonb_array_elements_text(queues) AS queue FROM worker "
                "WHERE heartbeat_at > now() - make_interval(secs => $1)",
                [infra.settings.lease_s],
            )
        served = {row["queue"] for row in alive}
        for queue in known_queues(request.app.state.params, infra.settings.routed):
            checks[f"worker:{queue}"] = "ok" if queue in served else "no live worker"
    except UNAVAILABLE:
        checks["database"] = "does not answer"
    try:
        async with asyncio.timeout(WAIT_S):
            await infra.redis.ping()
    except (OSError, TimeoutError, RedisError):
        checks["redis"] = "does not answer"
    ready = all(value == "ok" for value in checks.values())
    return JSONResponse({"status": "ok" if ready else "not ready", "checks": checks}, 200 if ready else 503)
