"""Events over WebSocket, one envelope a message: of one job, or of whatever the client asks to follow."""

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.websockets import WebSocket, WebSocketDisconnect

from arqsvc.api.bodies import fitted, json_in
from arqsvc.api.keys import Caller
from arqsvc.api.problems import fault
from arqsvc.api.sse import SEND_S
from arqsvc.errors import ArqsvcError, NotFound, SourceUnavailable
from arqsvc.infra.db import UNAVAILABLE, rows
from arqsvc.infra.supervise import task_group
from arqsvc.jobs.events import Cursor, Event, EventId
from arqsvc.jobs.filters import Filter
from arqsvc.jobs.hub import EventHub
from arqsvc.jobs.outbox import Closed, Outbox
from arqsvc.jobs.record import FINAL
from arqsvc.jobs.snapshot import Wanted

MOST_JOBS = 1_000
"""Jobs that one socket follows by their ids."""
SNAPSHOT = "snapshot"
"""What stands for a cursor where somebody wants to begin with how things stand."""
CODES = {
    Closed.TOLD: 1000, Closed.SLOW: 1013, Closed.STOPPED: 1012, Closed.REFUSED: 1008, Closed.NOISY: 1008
}  # fmt: skip
"""With which code a socket is closed."""
AT_ONCE, EACH_S = 100, 0.1
"""Messages that a client may send at once, and seconds in which one more may come."""
WHY = {
    Closed.REFUSED: "The key or session was revoked, has ended or has expired.",
    Closed.NOISY: f"More messages came than {AT_ONCE} at once and {1 / EACH_S:.0f} a second.",
}
"""What a socket is closed with, where the code does not say it; at most 123 bytes."""


class Followed(BaseModel):
    """Jobs to follow."""

    model_config = ConfigDict(extra="forbid")

    jobs: dict[UUID, str] = Field(max_length=MOST_JOBS)
    """By job the id of the event behind which to begin; an empty text for the beginning."""


class Message(BaseModel):
    """What a client may say on a socket."""

    model_config = ConfigDict(extra="forbid")

    follow: Followed | None = None
    unfollow: list[UUID] | None = None
    filter: Filter | None = None
    """Follow the whole fleet as far as it fits; `{}` for all, null for nothing."""
    after: str | None = None
    """With `filter`: the cursor behind which to begin, or `snapshot`; from now on where it is absent."""


async def tell(
    websocket: WebSocket, outbox: Outbox, hearing: Coroutine[Any, Any, None], *, send_s: float = SEND_S
) -> None:
    """Send what comes into the outbox, and hear the client meanwhile; closes the socket when there is no more.

    The codes are 1000 when all was told, 1012 when this process stops, 1013, with the last id as the reason, when the
    client does not read, and 1008 when it may read no more or says too much.
    """
    async with task_group() as group:
        task = group.create_task(hearing)
        try:
            await _send(websocket, outbox, send_s)
        except WebSocketDisconnect:
            pass
        except TimeoutError:
            if abort := websocket.scope.get("state", {}).get("abort"):
                abort()  # closing would wait for the reader
        finally:
            task.cancel()


async def _send(websocket: WebSocket, outbox: Outbox, send_s: float) -> None:
    last = ""
    while True:
        for event in await outbox.take():
            async with asyncio.timeout(send_s):
                await websocket.send_text(event.text)
            last = str(event.id or last)
        if outbox.closed and not len(outbox):
            break
    async with asyncio.timeout(send_s):
        await websocket.close(CODES[outbox.closed], last if outbox.closed is Closed.SLOW else WHY.get(outbox.closed))


async def until_gone(websocket: WebSocket, outbox: Outbox) -> None:
    """Close the outbox once the client has left; what it says is not heard."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        continue
    outbox.close(Closed.STOPPED)


class Conversation:
    """One socket that follows what its client says."""

    def __init__(self, hub: EventHub, outbox: Outbox, caller: Caller) -> None:
        self._hub, self._outbox, self._caller = hub, outbox, caller
        self._joining: asyncio.Task[None] | None = None
        self._spent_until = 0.0
        """When as many messages may come at once again as at the beginning."""

    async def hear(self, websocket: WebSocket) -> None:
        """Do what the client says until it leaves; what is wrong is told as an event of type `error`."""
        async with task_group() as group:
            while (message := await websocket.receive())["type"] != "websocket.disconnect":
                if self._too_much():
                    self._outbox.close(Closed.NOISY)
                    break
                try:
                    await self._obey(_parsed(message.get("text")), group)
                except UNAVAILABLE:
                    self._complain(SourceUnavailable("The database does not answer. Try again soon."))
                except ArqsvcError as error:
                    self._complain(error)
            self._outbox.close(Closed.STOPPED)
            self._leave()

    async def _obey(self, message: Message, group: asyncio.TaskGroup) -> None:
        for job in message.unfollow or ():
            self._hub.unfollow(self._outbox, job)
        if message.follow:
            await self._follow(message.follow.jobs)
        if "filter" in message.model_fields_set:
            after, anew = message.after, message.after == SNAPSHOT
            cursor = Cursor.parse(after) if after and not anew else None
            self._leave()
            if message.filter:
                wanted = Wanted(self._caller.project, live(message.filter))
                joining = self._hub.fleet.join(self._outbox, wanted, cursor, anew=anew)
                self._joining = group.create_task(joining)

    def _too_much(self) -> bool:
        """Count a message; returns whether it is more than may come."""
        now = asyncio.get_running_loop().time()
        self._spent_until = max(self._spent_until, now) + EACH_S
        return self._spent_until - now > AT_ONCE * EACH_S + EACH_S / 2

    def _leave(self) -> None:
        if self._joining:
            self._joining.cancel()
        self._hub.fleet.leave(self._outbox)

    async def _follow(self, jobs: Mapping[UUID, str]) -> None:
        if len(self._outbox.follows | jobs.keys()) > MOST_JOBS:
            raise fault(
                "/follow/jobs", f"One socket follows at most {MOST_JOBS:,} jobs. Open another, or use a filter."
            )
        found = await rows(
            "SELECT id, seq, state FROM job WHERE id = ANY($1::uuid[]) AND project = $2",
            [list(jobs), self._caller.project],
        )
        known = {row["id"]: row for row in found}
        for job, text in jobs.items():
            try:
                if job not in known:
                    raise NotFound(f"There is no job {job}. GET /api/v1/jobs lists yours.")
                after = place_of(text, known[job]["seq"], f"/follow/jobs/{job}")
                if after.seq < known[job]["seq"] or known[job]["state"] not in FINAL:
                    self._hub.follow(self._outbox, job, after)
            except ArqsvcError as error:
                self._complain(error, job)

    def _complain(self, error: ArqsvcError, job: UUID | None = None) -> None:
        self._outbox.push(Event(None, "error", job, datetime.now(UTC), error.problem()))


def live(filter_: Filter) -> Filter:
    """Return a filter that can be decided as events come.

    Raises:
        InvalidParams: it looks for a text inside of jobs.
    """
    if not filter_.live:
        raise fault("/q", "a stream is not searched for a text, only for a job's id; search lists, or filter by tags.")
    return filter_


def place_of(text: str | None, newest: int, pointer: str = "/after") -> EventId:
    """Return the event of a job behind which to begin; no text is the beginning.

    Raises:
        InvalidParams: it is no event id, or beyond the newest of its job.
    """
    after = EventId.parse(text, pointer) if text else EventId(0)
    if after.seq > newest:
        raise fault(pointer, f"{text} is beyond the newest event of this job, {newest}.")
    return after


def _parsed(text: str | None) -> Message:
    return fitted(Message, json_in(text or "", what="the message"))
