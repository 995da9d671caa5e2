"""A connection of HTTP, as uvicorn has it, with bounds for what comes before a request can be answered."""

import asyncio
import json
import logging
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_BYTES = 64 * 1024
"""Most that a request may say before its body; what the parser keeps of it has no bound of its own."""
HEAD_S = 30.0
"""Longest time in which it must have said that."""

_OF_CLIENTS = frozenset({
    "ASGI callable returned without completing handshake.",  # said of each WebSocket that is refused
    "Invalid UTF-8 sequence received from client.",
})  # fmt: skip
"""What uvicorn takes for errors of ours, one with a traceback, and anybody can cause."""


def is_ours(record: logging.LogRecord) -> bool:
    """Whether a record of uvicorn may tell of a fault of ours, and not of what the client of a WebSocket did."""
    return record.msg not in _OF_CLIENTS


class Connection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # uvicorn takes the one that is installed
    """A connection whose requests may break it: closing one waits for a reader that does not read.

    It ends where a request does not begin in time, or has no end of headers.
    """

    bounded = hasattr(AutoHTTPProtocol, "on_headers_complete")
    """Whether it is httptools' and tells where headers end; h11 has a bound of its own."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, "abort": transport.abort}
        self._head_bytes = 0
        self._late: asyncio.TimerHandle | None = None
        self._earlier = list[Any]()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more, and tell all that is still answered here; uvicorn tells the last request alone."""
        self._said()
        for cycle in self._earlier:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes until the parser says what it was."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > HEAD_BYTES and self.bounded:
            self._refuse(431, f"What stands before the body is longer than {HEAD_BYTES:,} bytes. Send fewer headers.")
        elif self._head_bytes:
            self._wait()

    def on_headers_complete(self) -> None:
        """Note that a request has begun, maybe behind others."""
        self._said()
        if self._answers():
            self._earlier = [cycle for cycle in (*self._earlier, self.cycle) if not cycle.response_complete]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Note that what came belongs to a body, which whoever answers bounds."""
        self._said()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a request has come whole."""
        self._said()
        super().on_message_complete()

    def _wait(self) -> None:
        if self._late is None and self.bounded:
            self._late = asyncio.get_running_loop().call_later(HEAD_S, self._too_late)

    def _said(self) -> None:
        """Note that what was heard is a whole head, or belongs to a body."""
        self._head_bytes = 0
        if self._late:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        self._late = None
        if self._answers():
            self._wait()
        elif self._head_bytes:
            self._refuse(408, f"The headers had not come within {HEAD_S:g} s. Send the request again, at once.")
        else:
            self.transport.close()

    def _answers(self) -> bool:
        return bool(self.cycle and not self.cycle.response_complete)

    def _refuse(self, status: int, detail: str) -> None:
        """Close, with a problem document unless another answer is under way."""
        if self.transport.is_closing():
            return
        if not self._answers():
            phrase = HTTPStatus(status).phrase
            code = phrase.lower().replace(" ", "_")
            problem = {"type": "about:blank", "title": phrase, "status": status, "code": code, "detail": detail}
            body = json.dumps(problem)
            self.transport.write(
                f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/problem+json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
            )
        self.transport.close()
