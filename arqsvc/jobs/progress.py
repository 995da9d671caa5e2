"""Where the work of a run stands: told through one capped Redis stream, and kept for who comes late."""

import asyncio
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import starmap
from typing import Any
from uuid import UUID

from arqsvc.infra.redis import ArqRedis, best_effort, from_json, to_json
from arqsvc.jobs.events import About, Event, EventId, tell
from arqsvc.jobs.record import JobRecord, State

PROGRESS_S = 0.25
"""Least seconds between two pieces of progress of one job within a step."""
MOST_STEPS = 200
"""Steps of an attempt that a late reader is told of."""
STEP_CHARACTERS = 200
PROGRESS_TTL_S = 86_400
PROGRESS = ("step", "fraction", "done", "total", "unit")
"""What a client sees of a piece of progress."""


def progress_key(job: UUID, seq: int) -> str:
    """Return where the progress of one attempt is kept: a late write of an older one hides nothing."""
    return f"arqsvc:progress:{job}:{seq}"


class ProgressSender:
    """Sends what the runs of a process note, for all of them in one trip."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        self._noted: set[ProgressWriter] = set()
        self._wake = asyncio.Event()

    def noted(self, writer: "ProgressWriter") -> None:
        """Send what this run has noted, once it is time."""
        self._noted.add(writer)
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            now = time.monotonic()
            due = [writer for writer in self._noted if writer.due_at <= now]
            if due:
                await self.send(due)
                continue
            self._wake.clear()
            wait_s = min(writer.due_at for writer in self._noted) - now if self._noted else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def send(self, writers: Iterable["ProgressWriter"]) -> None:
        """Send now what these have noted."""
        async with best_effort("progress is not sent"), self._redis.pipeline(transaction=False) as pipe:
            for writer in writers:
                self._noted.discard(writer)
                for job, seq, batch in writer.taken():
                    pipe.set(progress_key(job, seq), to_json(writer.kept(job)), ex=PROGRESS_TTL_S)
                    tell(pipe, [(str(job), seq, entry) for entry in batch])
            await pipe.execute()


@dataclass(eq=False)
class ProgressWriter:
    """Progress of one run: at once on a new step, four times a second within one, never across steps."""

    sender: ProgressSender
    jobs: dict[UUID, int]
    """The jobs that share the run, with the `seq` that they had when it became theirs."""
    steps: list[dict[str, Any]] = field(default_factory=list)
    noted_at: float = 0.0
    """When it was last told anything, by the loop's clock."""
    _n: int = 0
    _last: dict[str, Any] | None = None
    _unsent: list[dict[str, Any]] = field(default_factory=list)
    _sent_at: float = 0.0
    _step_sent: str | None = None

    def note(self, step: str, done: float, total: float, unit: str | None) -> None:
        """Take down where the work stands; never waits."""
        self._n += 1
        self.noted_at = asyncio.get_running_loop().time()
        step, done, total = step.encode(errors="replace").decode()[:STEP_CHARACTERS], _finite(done), _finite(total)
        fraction = min(1.0, max(0.0, done / total)) if total > 0 else 0.0
        values = (step, fraction, done, total, unit)
        entry = {"n": self._n, "at": datetime.now(UTC).isoformat(), **dict(zip(PROGRESS, values, strict=True))}
        if not self.steps or self.steps[-1]["step"] != step:
            self.steps = [*self.steps[-MOST_STEPS:], entry]
        elif self._unsent and self._unsent[-1]["step"] == step:
            self._unsent.pop()
        self._unsent.append(entry)
        self._last = entry
        self.sender.noted(self)

    @property
    def due_at(self) -> float:
        """When it is time to send, by the monotonic clock."""
        more = len(self._unsent) == 1 and self._unsent[0]["step"] == self._step_sent
        return self._sent_at + PROGRESS_S if more else 0.0

    def taken(self) -> list[tuple[UUID, int, list[dict[str, Any]]]]:
        """Return what is to be sent, for each job, and forget it."""
        batch, self._unsent = self._unsent, []
        if not batch:
            return []
        self._sent_at, self._step_sent = time.monotonic(), batch[-1]["step"]
        return [(job, seq, batch) for job, seq in self.jobs.items()]

    def leave(self, job: UUID) -> dict[str, Any] | None:
        """Tell the followers of a job no more; returns what a late reader is told of it."""
        kept = self.kept(job)
        del self.jobs[job]
        return kept

    def kept(self, job: UUID) -> dict[str, Any] | None:
        """Return what a late reader is told: every step as it was entered, and the last progress."""
        return {"seq": self.jobs[job], "last": self._last, "steps": self.steps} if self._last else None

    def join(self, job: UUID, seq: int) -> None:
        """Tell the followers of one more job, from where the work stands now."""
        self.jobs[job] = seq
        if self._last:
            self._unsent = self._unsent or [self._last]
            self.sender.noted(self)


def _finite(number: float) -> float:
    """Return a number that JSON can hold; 0 for one that it cannot."""
    value = float(number)
    return (int(value) if value.is_integer() else value) if math.isfinite(value) else 0


async def latest_progress(redis: ArqRedis, jobs: Sequence[JobRecord]) -> dict[UUID, dict[str, Any]]:
    """Return what `ProgressWriter.kept` says, by job: from Redis of one that runs, from its row of another."""
    found = {job.id: job.progress for job in jobs if job.progress}
    running = {job.id: job.seq for job in jobs if job.state == State.RUNNING}
    if running:
        async with best_effort("progress is not known"):
            for job, value in zip(running, await redis.mget(starmap(progress_key, running.items())), strict=True):
                if value:
                    found[job] = from_json(value)
    return found


def kept_events(job: UUID, kept: Mapping[str, Any], about: About) -> Iterator[Event]:
    """Yield the steps of an attempt and its last progress, as `ProgressWriter` keeps them."""
    for entry in kept["steps"]:
        yield progress_event(job, kept["seq"], entry, about)
    if kept["last"]["n"] > kept["steps"][-1]["n"]:
        yield progress_event(job, kept["seq"], kept["last"], about)


def progress_event(job: UUID, seq: int, entry: Mapping[str, Any], about: About) -> Event:
    """Return one piece of progress, as `ProgressWriter` notes it, as an event."""
    data = {name: entry[name] for name in PROGRESS}
    return Event(EventId(seq, entry["n"]), "progress", job, datetime.fromisoformat(entry["at"]), data, about)
