"""Both ends of what followers see: changes of state are rows, progress runs through one capped Redis stream.

An event's id is `seq` for the change of state number `seq` of its job, and `seq.n` for the n-th piece of progress
after it; so ids of one job are in order, and a follower that was away says the last one it saw. A change of state is
announced in the stream too, and looked for every 2 s, so that an emptied Redis delays it and loses none.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import starmap
from typing import Any, Literal, NamedTuple
from uuid import UUID

from arqsvc.errors import InvalidParams
from arqsvc.infra.redis import WAIT_S, ArqRedis, best_effort, from_json, to_json
from arqsvc.jobs.move import Moved
from arqsvc.jobs.record import FINAL, EventRecord, JobRecord, State

STREAM = "arqsvc:events"
STREAM_LENGTH = 5_000
"""Entries of the stream that are kept, for readers that are slow."""
ENTRY = 100
"""Most changes of state that are told in one entry."""
LOOK_S = 2.0
"""Seconds after which a follower looks for rows that nobody announced."""
PROGRESS_S = 0.25
"""Least seconds between two pieces of progress of one job within a step."""
MOST_STEPS = 200
"""Steps of an attempt that a late reader is told of."""
STEP_CHARACTERS = 200
PROGRESS_TTL_S = 86_400
PROGRESS = ("step", "fraction", "done", "total", "unit")
"""What a client sees of a piece of progress."""


def rfc3339(time: datetime | None) -> str | None:
    """Return a time in UTC as clients see it, RFC 3339."""
    return time.isoformat().replace("+00:00", "Z") if time else None


class EventId(NamedTuple):
    """Where in a job's story an event stands."""

    seq: int
    n: int = 0

    def __str__(self) -> str:
        return f"{self.seq}.{self.n}" if self.n else str(self.seq)

    @classmethod
    def parse(cls, text: str) -> "EventId":
        """Return the id that `text` shows.

        Raises:
            InvalidParams: it shows none.
        """
        seq, _, n = text.strip().partition(".")
        if not (seq.isdecimal() and (n or "0").isdecimal() and len(text) < 30):
            raise InvalidParams(f"{text[:40]!r} is not an event id such as 3 or 3.17.", pointer="/after")
        return cls(int(seq), int(n or 0))


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a job."""

    id: EventId
    type: Literal["state", "progress"]
    job_id: UUID
    ts: datetime
    data: Mapping[str, Any]

    def envelope(self) -> dict[str, Any]:
        """Return what a client sees, on every transport: `id, type, job_id, ts, data`."""
        return {
            "id": str(self.id),
            "type": self.type,
            "job_id": str(self.job_id),
            "ts": rfc3339(self.ts),
            "data": dict(self.data),
        }


def _progress_key(job: UUID, seq: int) -> str:
    """Return where the progress of one attempt is kept: a late write of an older one hides nothing."""
    return f"arqsvc:progress:{job}:{seq}"


def announce(pipe: Any, moved: Sequence[Moved]) -> None:
    """Tell followers that these jobs have new rows; many in one entry of the stream, which all of them read."""
    for first in range(0, len(moved), ENTRY):
        _add(pipe, [(str(job.id), job.seq, None) for job in moved[first : first + ENTRY]])


def _add(pipe: Any, news: Sequence[tuple[str, int, Any]]) -> None:
    pipe.xadd(STREAM, {"j": to_json(news)}, maxlen=STREAM_LENGTH)


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
                    pipe.set(_progress_key(job, seq), to_json(writer.kept(job)), ex=PROGRESS_TTL_S)
                    _add(pipe, [(str(job), seq, entry) for entry in batch])
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
            for job, value in zip(running, await redis.mget(starmap(_progress_key, running.items())), strict=True):
                if value:
                    found[job] = from_json(value)
    return found


@dataclass(eq=False)
class Subscription:
    """What one follower has not yet heard of a job."""

    _progress: list[Event] = field(default_factory=list)
    _look: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, event: Event | None) -> None:
        """Hand over a piece of progress, or None for new rows; an unread piece of the same step gives way."""
        if event is None:
            self._look = True
        else:
            if self._progress and self._progress[-1].data["step"] == event.data["step"]:
                self._progress.pop()
            self._progress.append(event)
        self._wake.set()

    async def news(self) -> tuple[list[Event], bool]:
        """Return the progress that came, and whether to look for rows: some were announced, or it was long silent."""
        look = False
        try:
            async with asyncio.timeout(LOOK_S):
                await self._wake.wait()
        except TimeoutError:
            look = True
        self._wake.clear()
        progress, self._progress = self._progress, []
        look, self._look = look or self._look, False
        return progress, look


class EventHub:
    """Reads the stream once for a process and hands each entry to the followers of its job."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        self._last: bytes | None = None
        self._followers: dict[UUID, set[Subscription]] = {}

    @property
    def followed(self) -> int:
        """How many jobs somebody follows here."""
        return len(self._followers)

    @contextmanager
    def subscribed(self, job: UUID) -> Iterator[Subscription]:
        """Collect what comes for this job inside the block."""
        subscription = Subscription()
        self._followers.setdefault(job, set()).add(subscription)
        try:
            yield subscription
        finally:
            self._followers[job].discard(subscription)
            if not self._followers[job]:
                del self._followers[job]

    async def run(self) -> None:
        """Read the stream until cancelled, from where the last run of this loop came to."""
        if self._last is None:
            newest = await self._redis.xrevrange(STREAM, count=1)
            self._last = newest[0][0] if newest else b"0"
        while True:
            found = await self._redis.xread({STREAM: self._last}, count=1000, block=int(WAIT_S * 1000))
            for _, entries in found or ():
                for self._last, fields in entries:
                    for news in from_json(fields[b"j"]):
                        self._hand_on(news)

    def _hand_on(self, entry: list[Any]) -> None:
        job = UUID(entry[0])
        followers = self._followers.get(job)
        if not followers:
            return
        event = _progress_event(job, entry[1], entry[2]) if entry[2] else None
        for follower in followers:
            follower.push(event)


async def follow(hub: EventHub, redis: ArqRedis, job: UUID, after: EventId) -> AsyncGenerator[Event, None]:
    """Yield the story of one job behind `after`, and then what comes; ends with its final state."""
    with hub.subscribed(job) as subscription:
        news, look, ended = list[Event](), True, False
        while not ended:
            if look or any(event.id.seq != after.seq or not after.n for event in news):
                told, ended = await _told(redis, job, after)
                news += told
            for event in sorted(news, key=lambda event: event.id):
                if event.id > after:
                    yield event
                    after = event.id
            if not ended:
                news, look = await subscription.news()


def _ended(changes: Sequence[Event]) -> bool:
    """Whether the last of these changes is the job's end; one before it was undone by a retry."""
    return bool(changes) and changes[-1].data["state"] in FINAL


async def _told(redis: ArqRedis, job: UUID, after: EventId) -> tuple[list[Event], bool]:
    """Return what a late reader missed, and whether that is all: changes of state, steps, and the last progress."""
    row = await JobRecord.get(id=job)
    changes = await _changes(job, after)
    kept = (await latest_progress(redis, [row])).get(job)
    told = [*changes, *(_kept_events(job, kept) if kept else ())]
    ended = _ended(changes) if changes else row.state in FINAL
    return sorted((event for event in told if event.id > after), key=lambda event: event.id), ended


def _kept_events(job: UUID, kept: Mapping[str, Any]) -> Iterator[Event]:
    """Yield the steps of an attempt and its last progress, as `ProgressWriter` keeps them."""
    for entry in kept["steps"]:
        yield _progress_event(job, kept["seq"], entry)
    if kept["last"]["n"] > kept["steps"][-1]["n"]:
        yield _progress_event(job, kept["seq"], kept["last"])


def _progress_event(job: UUID, seq: int, entry: Mapping[str, Any]) -> Event:
    data = {name: entry[name] for name in PROGRESS}
    return Event(EventId(seq, entry["n"]), "progress", job, datetime.fromisoformat(entry["at"]), data)


async def _changes(job: UUID, after: EventId) -> list[Event]:
    return [
        Event(EventId(row.seq), "state", job, row.at, _state_data(row))
        for row in await EventRecord.filter(job_id=job, seq__gt=after.seq).order_by("seq")
    ]


def _state_data(row: EventRecord) -> dict[str, Any]:
    return {
        "state": State(row.state).value,
        "reason": row.reason,
        "attempt": row.attempt,
        "due_at": rfc3339(row.due_at),
        "error": row.error,
    }
