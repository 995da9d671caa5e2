"""What happens to a stage: each disturbance as it was planned, and a record of what came of it."""

import asyncio
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from signal import SIGCONT, SIGKILL, SIGQUIT, SIGSTOP

import psutil
from redis.asyncio import Redis
from redis.exceptions import RedisError

from benchmarks.chaos.link import Direction
from benchmarks.chaos.plan import Plan, Planned
from benchmarks.chaos.stage import Kept, Stage

logger = logging.getLogger(__name__)

AWAY_S = 1.5
"""How long a server that is restarted stays away."""


@dataclass
class Disturber:
    """Disturbs a stage."""

    stage: Stage
    plan: Plan
    happened: Counter[str] = field(default_factory=Counter)
    kills: list[tuple[int, float]] = field(default_factory=list)
    """Process id of each killed worker, and when, in seconds since 1970."""
    suspects: set[int] = field(default_factory=set)
    """Process ids of the workers that were killed, stopped, or cut off from the database."""

    async def run(self, planned: Sequence[Planned]) -> None:
        """Do what is planned; returns once the last has passed."""
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for each in planned:
                await asyncio.sleep(began_s + each.at_s - time.monotonic())
                group.create_task(self._disturb(each))

    async def _disturb(self, planned: Planned) -> None:
        act = {
            "worker stopped": self._stop_worker,
            "link deaf": self._deafen_link,
            "worker killed": self._kill_worker,
            "child killed": self._kill_child,
            "API killed": self._kill_api,
            "Valkey killed": self._kill_valkey,
            "Valkey flushed": self._flush_valkey,
            "Valkey restarted empty": self._empty_valkey,
            "PostgreSQL restarted": self._restart_postgres,
            "PostgreSQL crashed": self._crash_postgres,
            "link broken": self._break_link,
        }[planned.what]
        logger.info("disturbance", extra={"what": planned.what, "worker": planned.worker, "at_s": round(planned.at_s)})
        if await act(planned):
            self.happened[planned.what] += 1

    async def _stop_worker(self, planned: Planned) -> bool:
        pid = self._worker(planned).pid
        if pid is None:
            return False
        self.suspects.add(pid)
        os.kill(pid, SIGSTOP)
        try:
            await asyncio.sleep(self.plan.lasting_s)
        finally:
            if self._worker(planned).pid == pid:
                os.kill(pid, SIGCONT)
        return True

    async def _deafen_link(self, planned: Planned) -> bool:
        links, pid = self.stage.links[planned.worker], self._worker(planned).pid
        to_database = planned.pick < 0.5
        if to_database and pid is not None:
            self.suspects.add(pid)
        direction = Direction.THERE if planned.pick % 0.5 < 0.25 else Direction.BACK
        with (links.database if to_database else links.redis).deaf(direction):
            await asyncio.sleep(self.plan.lasting_s)
        return True

    async def _break_link(self, planned: Planned) -> bool:
        links = self.stage.links[planned.worker]
        (links.database if planned.pick < 0.5 else links.redis).break_all()
        return True

    async def _kill_worker(self, planned: Planned) -> bool:
        pid = self._worker(planned).pid
        if pid is None:
            return False
        self.suspects.add(pid)
        self.kills.append((pid, time.time()))
        os.kill(pid, SIGKILL)
        return True

    async def _kill_child(self, planned: Planned) -> bool:
        with suppress(psutil.NoSuchProcess):
            if (pid := self._worker(planned).pid) and (children := psutil.Process(pid).children(recursive=True)):
                children[int(planned.pick * len(children))].kill()
                return True
        return False

    async def _kill_api(self, _: Planned) -> bool:
        if (pid := self.stage.api.pid) is None:
            return False
        os.kill(pid, SIGKILL)
        return True

    async def _kill_valkey(self, _: Planned) -> bool:
        async with self.stage.redis.away(SIGKILL):
            await asyncio.sleep(AWAY_S)
        return True

    async def _flush_valkey(self, _: Planned) -> bool:
        try:
            async with Redis.from_url(self.stage.redis.url) as redis:
                await redis.flushall()
        except (RedisError, OSError):
            return False
        return True

    async def _empty_valkey(self, _: Planned) -> bool:
        async with self.stage.redis.away():
            await asyncio.to_thread(shutil.rmtree, self.stage.redis_files)
        return True

    async def _restart_postgres(self, _: Planned) -> bool:
        async with self.stage.database.away():
            await asyncio.sleep(AWAY_S)
        return True

    async def _crash_postgres(self, _: Planned) -> bool:
        async with self.stage.database.away(SIGQUIT):
            await asyncio.sleep(AWAY_S)
        return True

    def _worker(self, planned: Planned) -> Kept:
        return self.stage.workers[planned.worker]
