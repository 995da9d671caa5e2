"""The one Redis pool: arq's, with JSON in and out."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool
from redis.exceptions import NoScriptError, RedisError

from arqsvc.errors import CannotStart

logger = logging.getLogger(__name__)

WAIT_S = 5.0
"""Longest wait for a connection, and for a blocking read."""

SLACK_S = 2.0
"""Seconds beyond the longest blocking read after which a connection is taken for deaf."""

OLDEST = 7
"""Oldest major version of Redis that has what the queues use; Valkey says 7 of itself."""

BEST_EFFORT_S = 1.0
"""Longest wait for a Redis that is needed for speed alone."""

_KEEP_MS = 365 * 86_400 * 1000

__all__ = ["WAIT_S", "ArqRedis", "NoScriptError", "RedisError", "best_effort", "from_json", "open_redis", "to_json"]


def to_json(value: Any) -> bytes:
    """Return what crosses Redis: compact JSON, never pickle."""
    return json.dumps(value, separators=(",", ":"), default=repr).encode()


def from_json(data: bytes) -> Any:
    """Return what `to_json` was given."""
    return json.loads(data)


@asynccontextmanager
async def best_effort(what: str, **facts: Any) -> AsyncIterator[None]:
    """Let the block try for a second; a Redis that is away or hangs is logged, and what it missed comes by itself."""
    try:
        async with asyncio.timeout(BEST_EFFORT_S):
            yield
    except (RedisError, OSError) as error:  # a TimeoutError is an OSError
        logger.warning("%s", what, extra={"error": f"{type(error).__name__}: {error}", **facts})


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[ArqRedis]:
    """Open the pool of this process.

    Raises:
        CannotStart: the URL is wrong, no server answers, or an old one; says why, never the password.
    """
    try:
        connections = ConnectionPool.from_url(url, socket_connect_timeout=WAIT_S, socket_timeout=WAIT_S + SLACK_S)
        pool = ArqRedis(connections, job_serializer=to_json, job_deserializer=from_json, expires_extra_ms=_KEEP_MS)
        version = str((await pool.info("server"))["redis_version"])
    except ValueError:  # its message may hold a piece of the password
        raise CannotStart(
            "ARQSVC_REDIS_URL is no URL of a Redis (redis://, rediss:// or unix://); write / # ? @ in a password as "
            "%2F %23 %3F %40."
        ) from None
    except (RedisError, OSError) as error:
        raise CannotStart(
            f"Redis does not answer: {type(error).__name__}: {error}. Check ARQSVC_REDIS_URL and the server."
        ) from error
    try:
        if int(version.partition(".")[0]) < OLDEST:
            raise CannotStart(f"Redis is version {version}; version {OLDEST} or newer, or Valkey, is needed.")
        yield pool
    finally:
        await pool.aclose(close_connection_pool=True)
