"""The one Redis pool: arq's, with JSON in and out."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from arqsvc.errors import CannotStart

WAIT_S = 5.0
"""Longest wait for a connection, and for a blocking read."""

_KEEP_MS = 365 * 86_400 * 1000

__all__ = ["WAIT_S", "ArqRedis", "RedisError", "from_json", "open_redis", "to_json"]


def to_json(value: Any) -> bytes:
    """Return what crosses Redis: compact JSON, never pickle."""
    return json.dumps(value, separators=(",", ":"), default=repr).encode()


def from_json(data: bytes) -> Any:
    """Return what `to_json` was given."""
    return json.loads(data)


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[ArqRedis]:
    """Open the pool of this process.

    Raises:
        CannotStart: the URL is wrong or no server answers; says why, never the password.
    """
    try:
        connections = ConnectionPool.from_url(url, socket_connect_timeout=WAIT_S, socket_timeout=3 * WAIT_S)
        pool = ArqRedis(connections, job_serializer=to_json, job_deserializer=from_json, expires_extra_ms=_KEEP_MS)
        await pool.ping()
    except (RedisError, OSError, ValueError, TimeoutError) as error:
        raise CannotStart(
            f"Redis does not answer: {type(error).__name__}: {error}. Check ARQSVC_REDIS_URL "
            "(redis://, rediss:// or unix://) and the server."
        ) from error
    try:
        yield pool
    finally:
        await pool.aclose(close_connection_pool=True)
