"""How often the whole fleet may ask one host: one budget for all workers, in Redis, on Redis' own clock."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from arqsvc.errors import Throttled
from arqsvc.infra.counts import Counts, Metric
from arqsvc.infra.redis import ArqRedis, RedisError, best_effort

WAIT_HERE_S = 2.0
"""Longest wait for a turn inside a running job; for more than that the job leaves its place and comes back."""

MARGIN_S = 0.1
"""What is added to the second: the host counts when requests arrive, and one may travel longer than the next."""

LATE_S = 0.05
"""How late a turn may be taken. It is the part of the margin that we use up ourselves; the rest is for the network."""

TURNS = 5
"""How many turns may be missed, one after another, before the job goes away."""

REDIS_AWAY_S = 3.0
"""How long a Redis that does not answer is asked again; and after how long the job that needed it comes back."""

REDIS_AGAIN_S = 0.2

FIRST_PAUSE_S = 1.0
LONGEST_GROWN_PAUSE_S = 60.0
LONGEST_PAUSE_S = 3600.0
"""Longest wait at a time: one wrong Retry-After must not stop a host for days, and who comes back is told again."""

KEEP_S = 60.0
"""How long the starts of requests are known; what was asked in this time and is not known any more, Redis lost."""

THROTTLED = Metric(
    "arqsvc_source_throttled_seconds",
    "Seconds for which requests waited for their turn, or were told to come back.",
    ("host",),
)

_PLACE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local starts, paused, promised = KEYS[1], KEYS[2], KEYS[3]
local per_s, gap = tonumber(ARGV[1]), tonumber(ARGV[2])

-- Those who are sent away get different times to come back, as far apart as requests may be.
local function place(after)
  local last = tonumber(redis.call('GET', promised)) or 0
  local at = math.max(last, after) + math.ceil(gap / per_s)
  redis.call('SET', promised, at, 'PX', at - now)
  return at - now
end
"""

_TURN = (
    _PLACE
    + """
local patience, reserve, known, keep = tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5] == '1', tonumber(ARGV[6])
local newest = tonumber(redis.call('LINDEX', starts, 0))
if newest and newest > now + patience then  -- no turn is given so far ahead: the clock was set back
  redis.call('DEL', starts)
  newest, known = nil, true
end
if known and not newest then  -- forgotten: for all we know as many as may have just started
  for _ = 1, per_s do redis.call('LPUSH', starts, now) end
  redis.call('PEXPIRE', starts, keep)
  newest = now
end
local oldest = tonumber(redis.call('LINDEX', starts, per_s - 1)) or 0
local pause = math.max(redis.call('PTTL', paused), 0)
local at = math.max(now + pause, oldest + gap, newest or 0)
if at - now > patience then
  return {place(at), pause > 0 and 1 or 0, 1}
end
if reserve then
  redis.call('LPUSH', starts, at)
  redis.call('LTRIM', starts, 0, per_s - 1)
  redis.call('PEXPIRE', starts, keep)
end
return {at - now, 0, 0}
"""
)

_PAUSE = (
    _PLACE
    + """
local grown, asked, first, longest = KEYS[4], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local pause = math.max(redis.call('PTTL', paused), 0)
if asked <= 0 and pause == 0 then  -- who was told during a pause had asked before it: that is no reason to grow
  asked = math.min(first * 2 ^ (redis.call('INCR', grown) - 1), longest)
  redis.call('PEXPIRE', grown, 10 * longest)
end
if asked > pause then
  pause = asked
  redis.call('SET', paused, 1, 'PX', math.ceil(pause))
end
return place(now + pause)
"""
)

_ANSWERED = "if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('DEL', KEYS[2]) end"


@dataclass(frozen=True, slots=True)
class Budget:
    """How many requests may start within any second, at one host with one key, by all workers together."""

    name: str
    """The host (and port); then, after a space, a digest of the key if there is one. Never the key itself."""
    per_s: int

    @property
    def host(self) -> str:
        """The host (and port) that it is about, for a person."""
        return self.name.partition(" ")[0]


class Budgets:
    """The budgets of all hosts, shared by all processes that use this Redis."""

    def __init__(self, redis: ArqRedis, counts: Counts | None = None) -> None:
        self._redis, self._counts = redis, counts or Counts()
        self._turn, self._pause, self._answered = map(redis.register_script, (_TURN, _PAUSE, _ANSWERED))
        self._asked: dict[str, float] = {}  # when this process last got a turn, by its own clock

    async def look(self, budget: Budget) -> None:
        """Return if a turn would come soon; nothing is reserved, so that it can be asked before connecting.

        Raises:
            Throttled: the wait would be longer than 2 s; says how long.
        """
        await self._next(budget, reserve=False)

    async def slot(self, budget: Budget) -> None:
        """Wait until one request may start, which must then start at once.

        Raises:
            Throttled: the wait would be longer than 2 s, or Redis does not answer; says how long.
        """
        for _ in range(TURNS):
            asked = time.monotonic()
            wait_s = await self._next(budget, reserve=True)
            if wait_s:
                self._counts.add(THROTTLED, (budget.host,), wait_s)
                await asyncio.sleep(wait_s)
                if await self._is_paused(budget):
                    continue
            self._asked[budget.name] = time.monotonic()
            if time.monotonic() - asked - wait_s <= LATE_S:
                return
        raise self._throttled(
            budget, REDIS_AWAY_S, f"This worker is too busy to keep its turns at {budget.host}; it tries again at"
        )

    async def pause(self, budget: Budget, delay_s: float | None) -> float:
        """Let nobody ask for so long; returns after how many seconds the caller may come back.

        Args:
            budget: of the host that asks us to wait.
            delay_s: what it asks for; None for a time that doubles with each pause from 1 s to 60 s.
        """
        asked_ms, first_ms = _ms(min(delay_s or 0.0, LONGEST_PAUSE_S)), _ms(FIRST_PAUSE_S)
        wait_ms = max(asked_ms, first_ms)
        async with best_effort("the fleet was not told to pause", host=budget.host):
            args = (budget.per_s, _ms(1 + MARGIN_S), asked_ms, first_ms, _ms(LONGEST_GROWN_PAUSE_S))
            wait_ms = int(await self._pause(keys=_keys(budget), args=args))
        return wait_ms / 1000

    async def throttled(self, budget: Budget, delay_s: float | None, **facts: Any) -> Throttled:
        """Pause, and return the error that says so; `facts` go with it."""
        return self._throttled(budget, await self.pause(budget, delay_s), f"{budget.host} asks to wait until", **facts)

    async def answered(self, budget: Budget) -> None:
        """Note a good answer: a pause that grows starts small again."""
        _, paused, _, grown = _keys(budget)
        async with best_effort("a good answer was not noted", host=budget.host):
            await self._answered(keys=(paused, grown))

    async def _next(self, budget: Budget, *, reserve: bool) -> float:
        """Return the seconds until the next turn; a Redis that is away is asked for some seconds."""
        known = time.monotonic() - self._asked.get(budget.name, -KEEP_S) < KEEP_S - WAIT_HERE_S
        args = (budget.per_s, _ms(1 + MARGIN_S), _ms(WAIT_HERE_S), int(reserve), int(known), _ms(KEEP_S))
        wait_ms, is_pause, refused = await self._persistently(budget, args)
        if not refused:
            return wait_ms / 1000
        raise self._throttled(
            budget,
            wait_ms / 1000,
            f"{budget.host} asks to wait until"
            if is_pause
            else f"So many requests wait for {budget.host} ({budget.per_s} a second) that the next turn is at",
        )

    async def _persistently(self, budget: Budget, args: tuple[int, ...]) -> tuple[int, int, int]:
        error: Exception | None = None
        try:
            async with asyncio.timeout(REDIS_AWAY_S):
                while True:
                    try:
                        first, second, third = await self._turn(keys=_keys(budget)[:3], args=args)
                        return first, second, third
                    except (RedisError, OSError) as away:
                        error = away
                        await asyncio.sleep(REDIS_AGAIN_S)
        except TimeoutError as hangs:
            raise self._throttled(
                budget,
                REDIS_AWAY_S,
                f"Redis, which holds the budget of requests to {budget.host}, does not answer; they wait until",
            ) from (error or hangs)

    async def _is_paused(self, budget: Budget) -> bool:
        """Return whether a pause began while its turn was waited for; where nobody can tell, the turn is let go."""
        try:
            async with asyncio.timeout(REDIS_AWAY_S):
                return bool(await self._redis.exists(_keys(budget)[1]))
        except (RedisError, OSError):  # a TimeoutError is an OSError
            return True

    def _throttled(self, budget: Budget, delay_s: float, words: str, **facts: Any) -> Throttled:
        self._counts.add(THROTTLED, (budget.host,), delay_s)
        until = (datetime.now(UTC) + timedelta(seconds=delay_s)).replace(microsecond=0)
        said = f" It said: {facts['said']}" if facts.get("said") else ""
        return Throttled(
            f"{words} {until:%H:%M:%S} UTC.{said}",
            delay_s=delay_s,
            until=until.isoformat().replace("+00:00", "Z"),
            host=budget.host,
            **facts,
        )


def _keys(budget: Budget) -> tuple[str, str, str, str]:
    prefix = f"arqsvc:budget:{{{budget.name}}}"
    return f"{prefix}:starts", f"{prefix}:paused", f"{prefix}:promised", f"{prefix}:grown"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
