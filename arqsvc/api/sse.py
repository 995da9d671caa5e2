"""Events as Server-Sent Events: one response, until all was told, the reader leaves, or it does not read."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from arqsvc.errors import Unauthorized
from arqsvc.infra.supervise import task_group
from arqsvc.jobs.events import Event
from arqsvc.jobs.outbox import Closed, Outbox

HEARTBEAT_S = 15.0
"""Longest silence of a stream."""
SEND_S = 60.0
"""Longest time for which a reader may stand still."""
RETRY_MS = 3000
CUT = "The stream was cut off: it was not read as fast as events came. Go on behind the last id."
REFUSED = "The stream ends: the key or session that opened it was revoked, has ended or has expired."


class EventStream(Response):
    """What comes into an outbox, each event with an id from which to go on."""

    media_type = "text/event-stream"

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[Outbox]],
        begin: Callable[[Outbox], Coroutine[Any, Any, None] | None],
        id_of: Callable[[Event], object | None],
        *,
        send_s: float = SEND_S,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        """Make a response.

        Args:
            opened: opens its outbox, for as long as it is read.
            begin: lets the outbox follow something; what it returns runs beside the stream.
            id_of: the place of an event in this stream; None for one behind which nobody goes on.
            send_s: seconds for which the reader may stand still.
            heartbeat_s: seconds of silence after which it is told that the stream lives.
        """
        self.status_code, self.background = 200, None
        self._opened, self._begin, self._id_of, self._send_s = opened, begin, id_of, send_s
        self._heartbeat_s = heartbeat_s
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell what comes until the outbox is closed."""
        with self._opened() as outbox:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with task_group() as group:
                tasks = [group.create_task(_until_gone(receive, outbox))]
                if beside := self._begin(outbox):
                    tasks.append(group.create_task(beside))
                try:
                    await self._tell(outbox, send)
                except TimeoutError:
                    if abort := scope.get("state", {}).get("abort"):
                        abort()  # closing would wait for the reader
                finally:
                    for task in tasks:
                        task.cancel()

    async def _tell(self, outbox: Outbox, send: Send) -> None:
        last: object = ""
        body = f"retry: {RETRY_MS}\n\n"
        while body:
            async with asyncio.timeout(self._send_s):
                await send({"type": "http.response.body", "body": body.encode(), "more_body": True})
            events = await outbox.take(self._heartbeat_s)
            ids = list(map(self._id_of, events))
            body = "".join(_frame(event, id_) for event, id_ in zip(events, ids, strict=True))
            if not (events or outbox.closed):
                body = ": heartbeat\n\n"
            last = next((id_ for id_ in reversed(ids) if id_ is not None), last)
        if outbox.closed is Closed.SLOW:
            told = {"last_id": str(last) or None, "detail": CUT}
            body = _frame(Event(None, "cut", None, datetime.now(UTC), told), None)
        elif outbox.closed is Closed.REFUSED:
            body = _frame(Event(None, "error", None, datetime.now(UTC), Unauthorized(REFUSED).problem()), None)
        async with asyncio.timeout(self._send_s):
            await send({"type": "http.response.body", "body": body.encode()})


def _frame(event: Event, id_: object | None) -> str:
    place = f"id: {id_}\n" if id_ is not None else ""
    return f"{place}event: {event.type}\ndata: {event.text}\n\n"


async def _until_gone(receive: Receive, outbox: Outbox) -> None:
    """Close the outbox once the reader has left."""
    while (await receive())["type"] != "http.disconnect":
        continue
    outbox.close(Closed.STOPPED)
