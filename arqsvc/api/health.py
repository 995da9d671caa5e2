"""/livez: the process answers; /readyz: database, its migrations, Redis and a worker of each queue."""

import asyncio
import time

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from arqsvc.api.held import of
from arqsvc.infra.db import UNAVAILABLE, own_migrations, rows
from arqsvc.infra.redis import RedisError

WAIT_S = 2.0
MIGRATIONS_S = 5.0
"""Seconds for which a process relies on what it has read of the migrations."""


class Migrations:
    """Whether the database has the schema of this version, as of some seconds ago at most."""

    def __init__(self) -> None:
        self._own = own_migrations()
        self._read_at = -MIGRATIONS_S
        self._said = ""

    async def check(self) -> str:
        """Return `ok`, or what is wrong."""
        if time.monotonic() - self._read_at >= MIGRATIONS_S:
            try:
                found = await rows("SELECT version FROM aerich WHERE app = 'arqsvc'")
            except asyncpg.UndefinedTableError:
                found = []
            self._said = self._judged({row["version"] for row in found})
            self._read_at = time.monotonic()
        return self._said

    def _judged(self, there: set[str]) -> str:
        if missing := self._own - there:
            return f"{len(missing)} missing, the first {min(missing)}; run `arqsvc migrate`"
        if newer := there - self._own:
            return f"of a newer arqsvc ({max(newer)}); install that version"
        return "ok"


async def livez(request: Request) -> Response:
    """GET /livez: 200 as long as this process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """GET /readyz: 200 when all is there, else 503; each part by name. Needs no key and tells no secret.

    `?exclude=worker` (or another part) leaves that out: the API itself is ready without workers.
    """
    held = of(request)
    checks = {"database": "ok", "redis": "ok"}
    try:
        async with asyncio.timeout(WAIT_S):
            checks["migrations"] = await held.migrations.check()
            alive = await rows(
                "SELECT jsonb_array_elements_text(queues) AS queue FROM worker "
                "WHERE heartbeat_at > now() - make_interval(secs => $1)",
                [held.infra.settings.lease_s],
            )
        served = {row["queue"] for row in alive}
        for queue in held.queues:
            checks[f"worker:{queue}"] = "ok" if queue in served else "no live worker"
    except UNAVAILABLE:
        checks["database"] = "does not answer"
    try:
        async with asyncio.timeout(WAIT_S):
            await held.infra.redis.ping()
    except (OSError, TimeoutError, RedisError):
        checks["redis"] = "does not answer"
    left_out = request.query_params.getlist("exclude")
    checks = {part: said for part, said in checks.items() if part.partition(":")[0] not in left_out}
    ready = all(value == "ok" for value in checks.values())
    return JSONResponse({"status": "ok" if ready else "not ready", "checks": checks}, 200 if ready else 503)
