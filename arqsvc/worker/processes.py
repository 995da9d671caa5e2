"""Worker processes that this process keeps running, each a program with a heartbeat of its own."""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING

from arqsvc.errors import ChildDied
from arqsvc.infra.guarded import Guarded, guarded
from arqsvc.infra.supervise import supervise

if TYPE_CHECKING:
    from arqsvc.worker.worker import Wish  # which needs arq, and this process does not

AGAIN_S = 1.0
"""Seconds between two second signals: two that arrive together are one."""


class Place:
    """One place for a worker, and the one that fills it now."""

    def __init__(self) -> None:
        self.program: Guarded | None = None
        self.keeping: asyncio.Task[None]
        """Done once the place is given up and its worker has ended."""

    @property
    def pid(self) -> int | None:
        """The process id of the worker; None while there is none."""
        return self.program.pid if self.program and self.program.exit_code is None else None


class Processes:
    """Workers that are kept running, and those that were told to stop and have not ended.

    Args:
        group: where they are kept; it drains them if it is cancelled.
        command: runs one worker.
        env: the whole environment of a worker.
        grace_s: how long a worker may take to drain before it is killed.
    """

    def __init__(
        self, group: asyncio.TaskGroup, command: Sequence[str | Path], env: Mapping[str, str], grace_s: float
    ) -> None:
        self._group, self._command, self._env, self._grace_s = group, command, env, grace_s
        self._kept: list[Place] = []
        self._told: list[Place] = []

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that are kept; one that is replaced just now has none."""
        return _pids(self._kept)

    @property
    def size(self) -> int:
        """How many are kept."""
        return len(self._kept)

    @property
    def leaving(self) -> int:
        """How many were told to stop and have not ended."""
        return sum(not place.keeping.done() for place in self._told)

    def start(self) -> None:
        """Keep one worker more: one that dies is replaced, after a growing pause if it does so at once."""
        place = Place()
        place.keeping = self._group.create_task(supervise("worker", lambda: self._run(place)))
        self._kept.append(place)

    def stop_idlest(self, jobs: Mapping[int, int]) -> None:
        """Let the worker drain that runs the fewest `jobs`, by its process id; of several the newest."""
        self._stop(min(reversed(self._kept), key=lambda place: jobs.get(place.pid or 0, 0)))

    async def end(self, stop: "Wish") -> None:
        """Let all drain at the same time; returns once they have ended. A second wish is handed on to them."""
        for place in tuple(self._kept):
            self._stop(place)
        insisting = self._group.create_task(self._insist(stop))
        if self._told:
            await asyncio.wait([place.keeping for place in self._told])
        insisting.cancel()

    def _stop(self, place: Place) -> None:
        self._kept.remove(place)
        self._told = [other for other in self._told if not other.keeping.done()] + [place]
        place.keeping.cancel()

    async def _insist(self, stop: "Wish") -> None:
        await stop.insisted()
        while True:
            for pid in _pids(self._told):
                with suppress(ProcessLookupError):
                    os.kill(pid, SIGTERM)
            await asyncio.sleep(AGAIN_S)

    async def _run(self, place: Place) -> None:
        """Run a worker for as long as it lives."""
        async with guarded(self._command, stop_signal=SIGTERM, grace_s=self._grace_s, env=self._env) as place.program:
            code = await place.program.wait()
        raise ChildDied(f"A worker ended with exit code {code}; its log says why.", exitcode=code)


def _pids(places: Iterable[Place]) -> list[int]:
    return [place.pid for place in places if place.pid]
