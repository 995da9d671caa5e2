"""How often one may ask: the generic cell rate algorithm, counted in Redis for all processes of the API together.

What many ask at the same time is counted in one go. While Redis is away each process counts what comes to it.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

from arqsvc.errors import RateLimited
from arqsvc.infra.grouped import Grouped
from arqsvc.infra.redis import ArqRedis, NoScriptError, RedisError

logger = logging.getLogger(__name__)

WINDOW_S = 60
POLICY = "default"
DEADLINE_S = 0.5
AWAY_S = 5.0
"""Seconds for which a Redis that did not answer is not asked again: else each request waits for it."""
MOST_KEPT = 10_000
"""Of whom most a process counts by itself, those that came last."""

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
    """The quotas of all who ask; `run` is to run for as long as anybody may."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis: Any = redis  # whose types know no script that answers a list
        self._counted = Grouped(self._count, alone=())
        self._away_until = 0.0
        self._full_at = OrderedDict[str, float]()
        """When all of a quota is there again, as this process has counted it while Redis was away."""

    async def run(self) -> None:
        """Count what is asked, until cancelled."""
        await self._counted.run()

    async def spend(self, who: str, quota: int) -> Spent | None:
        """Count one request of somebody who has `quota` a minute; None where that is any number."""
        if not quota:
            return None
        now = asyncio.get_running_loop().time()
        if now >= self._away_until:
            try:
                left, wait_us = await self._counted((who, WINDOW_S / quota))
                return Spent(quota, left, wait_us / 1_000_000)
            except (RedisError, OSError) as error:  # a TimeoutError is an OSError
                if now >= self._away_until:  # it was one group's
                    self._away_until = now + AWAY_S
                    facts = {"error": f"{type(error).__name__}: {error}"}
                    logger.warning("requests are counted by this process alone", extra=facts)
        return self._spend_here(who, quota, now)

    async def _count(self, asked: Sequence[tuple[str, float]]) -> list[tuple[int, int]]:
        """Spend for each of these, in one trip; of each, the seconds that one request takes to come back."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                spent = await self._run(asked)
            except NoScriptError:  # none was spent
                await self._redis.script_load(_SPEND)
                spent = await self._run(asked)
        return [(int(left), int(wait_us)) for left, wait_us in spent]

    async def _run(self, asked: Sequence[tuple[str, float]]) -> Any:
        """Run the script by its digest; redis-py's own way costs more CPU."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for who, each_s in asked:
                pipe.evalsha(_SHA, 1, f"arqsvc:rate:{who}", str(each_s * 1_000_000), str(WINDOW_S * 1_000_000))
            return await pipe.execute()

    def _spend_here(self, who: str, quota: int, now: float) -> Spent:
        """Do what the script does."""
        each_s = WINDOW_S / quota
        full_s = max(self._full_at.get(who, 0.0) - now, 0.0) + each_s
        if full_s > WINDOW_S:
            return Spent(quota, -1, full_s - WINDOW_S)
        keep(self._full_at, who, now + full_s)
        return Spent(quota, floor((WINDOW_S - full_s) / each_s + 1e-9), full_s)


def keep(kept: OrderedDict[str, float], name: str, value: float) -> None:
    """Keep what was said last, and not more than a process can hold."""
    kept[name] = value
    kept.move_to_end(name)
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)
