"""How often one may ask: the generic cell rate algorithm, counted in Redis for all processes of the API together.

Redis is asked for a favour here: while it is away nobody is held back.
"""

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from math import ceil
from typing import Any

from arqsvc.errors import RateLimited
from arqsvc.infra.redis import ArqRedis, NoScriptError, RedisError

logger = logging.getLogger(__name__)

WINDOW_S = 60
POLICY = "default"
DEADLINE_S = 0.5
AWAY_S = 5.0
"""Seconds for which a Redis that did not answer is not asked again: else each request waits for it."""

_SPEND = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max((tonumber(redis.call('GET', KEYS[1])) or 0) - now, 0)
if full + each > window then
  return {-1, full + each - window}
end
full = full + each
redis.call('SET', KEYS[1], string.format('%.0f', now + full), 'PX', math.ceil(full / 1000))
return {math.floor((window - full) / each), full}
"""
"""Spend one of a quota that fills up evenly over its window; all times in microseconds.

Returns what is left and when all of it is there again; or -1 and when there is one."""

_SHA = hashlib.sha1(_SPEND.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request has left of its quota."""

    quota: int
    left: int
    """Below 0 where there was nothing to spend."""
    wait_s: float
    """Seconds until all of the quota is there again; where nothing is left, until the next request may come."""

    def headers(self) -> dict[str, str]:
        """Return it as the fields of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"{POLICY}";q={self.quota};w={WINDOW_S}',
            "RateLimit": f'"{POLICY}";r={max(self.left, 0)};t={ceil(self.wait_s)}',
        }

    def refused(self, detail: str) -> RateLimited:
        """Return the error of who had nothing to spend."""
        return RateLimited(detail, delay_s=max(1, ceil(self.wait_s)), **{"violated-policies": [POLICY]})


class Rates:
    """The quotas of all who ask."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis: Any = redis  # whose types know no script that answers a list
        self._away_until = 0.0

    async def spend(self, who: str, quota: int) -> Spent | None:
        """Count one request of somebody who has `quota` a minute; None where that is any number, or nobody counts."""
        now = asyncio.get_running_loop().time()
        if not quota or now < self._away_until:
            return None
        try:
            async with asyncio.timeout(DEADLINE_S):
                left, wait_us = await self._run(f"arqsvc:rate:{who}", WINDOW_S * 1_000_000 / quota)
        except (RedisError, OSError) as error:  # a TimeoutError is an OSError
            self._away_until = now + AWAY_S
            logger.warning("requests are not counted", extra={"error": f"{type(error).__name__}: {error}"})
            return None
        return Spent(quota, left, wait_us / 1_000_000)

    async def _run(self, key: str, each_us: float) -> tuple[int, int]:
        """Run the script by its digest, and whole where Redis has forgotten it; redis-py's own way costs more CPU."""
        values = (1, key, str(each_us), str(WINDOW_S * 1_000_000))
        try:
            spent = await self._redis.evalsha(_SHA, *values)
        except NoScriptError:
            spent = await self._redis.eval(_SPEND, *values)
        return int(spent[0]), int(spent[1])
