"""What this process answers, as it is counted and traced: a layer around all of the API."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arqsvc.api.held import of
from arqsvc.api.operation import Operation
from arqsvc.api.problems import TRACE_ID, on_error
from arqsvc.errors import SourceUnavailable
from arqsvc.infra.counts import Counts, Metric
from arqsvc.infra.trace import join, parse, trace_id, traceparent

REQUESTS = Metric("arqsvc_api_requests", "Requests that this process answered.", ("operation", "status"))
SECONDS = Metric("arqsvc_api_request_seconds", "How long until an answer began.", ("operation",), "histogram")
STREAMS = Metric("arqsvc_api_streams_open", "Event streams that are open now, by transport.", ("transport",), "gauge")

EVENT_STREAM = "text/event-stream"
STOPS = "The service stops before it has answered. Send this again soon, with the same Idempotency-Key if it has one."
AGAIN_S = 5.0
"""Seconds after which who is told so may send it again."""


class Seen:
    """What this process has answered, and how many streams are open now."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.streams = Counter({"sse": 0, "websocket": 0})


class Observed:
    """Counts and traces each request, and hands it on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if came := parse(Headers(scope=scope).get("traceparent", "")):
            join(came)
            scope[TRACE_ID] = trace_id(came)
        held = of(HTTPConnection(scope))
        answer = _Answer(scope, send, held.seen)
        if tracer := held.infra.tracer:
            facts = {"http.request.method": scope.get("method"), "url.path": scope["path"]}
            with tracer.span("request", "server", facts) as span, answer.observed():
                if own := traceparent():
                    scope[TRACE_ID] = trace_id(own)
                try:
                    await self._hand_on(scope, receive, answer)
                finally:
                    span.update_name(answer.operation)
                    span.set_attribute("http.response.status_code", answer.status)
        else:
            with answer.observed():
                await self._hand_on(scope, receive, answer)

    async def _hand_on(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        """Have the application answer; where the server gives a request up, which it does when it stops, say so."""
        try:
            await self._app(scope, receive, answer.send)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
            if not answer.status:
                told = await on_error(Request(scope), SourceUnavailable(STOPS, delay_s=AGAIN_S))
                await told(scope, receive, answer.send)


class _Answer:
    """The answer to one request, as it is sent."""

    def __init__(self, scope: Scope, send: Send, seen: Seen) -> None:
        self.status = 0
        self._scope, self._send, self._seen = scope, send, seen
        self._since, self._stream = time.monotonic(), ""

    @property
    def operation(self) -> str:
        """Name of the operation or function that answers; `page` for a file of the page, `none` for nothing."""
        endpoint = self._scope.get("endpoint")
        owner = getattr(endpoint, "__self__", None)
        if isinstance(owner, Operation):
            return owner.name
        return "page" if isinstance(endpoint, StaticFiles) else str(getattr(endpoint, "__name__", "none"))

    async def send(self, message: Message) -> None:
        """Send on."""
        match message["type"]:
            case "http.response.start":
                streams = Headers(raw=message["headers"]).get("content-type", "").startswith(EVENT_STREAM)
                self._begins(message["status"], "sse" if streams else "")
            case "websocket.accept":
                self._begins(101, "websocket")
            case "websocket.http.response.start":
                self._begins(message["status"])
        await self._send(message)

    @contextmanager
    def observed(self) -> Iterator[None]:
        """Count the answer that is made in the block."""
        try:
            yield
        except Exception:  # what answers 500 stands outside
            if not self.status:
                self._begins(500)
            raise
        finally:
            if self._stream:
                self._seen.streams[self._stream] -= 1

    def _begins(self, status: int, stream: str = "") -> None:
        if self.status:  # a socket whose client left while it was accepted
            return
        self.status, self._stream = status, stream
        self._seen.counts.add(REQUESTS, (self.operation, str(status)))
        self._seen.counts.observe(SECONDS, (self.operation,), time.monotonic() - self._since)
        if stream:
            self._seen.streams[stream] += 1
