"""Our end of the fork server and of the children that it forks."""

import asyncio
import itertools
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from pathlib import Path
from typing import NamedTuple, Self

from arqsvc.infra.forkserver import END, FORK, KILL, LINE_BYTES, ORDER, SIZE, WATCH

OnReport = Callable[[str, float], object]

_SCRIPT = Path(__file__).with_name("forkserver.py")
ORDER_S = 10.0  # a server that has loaded its modules takes an order in a millisecond
_READ_BYTES = 1 << 20  # more than a socket holds, so that one read empties it
_PIECE_BYTES = 1 << 13  # of a pipe: a hundred lines of a log, which keep the event loop busy for 3 ms
_PIECES = 16  # twice what a pipe holds


class End(NamedTuple):
    """How a child ended, as in `forkserver.END`; without arguments, the end of one whose server was killed."""

    number: int = 0
    exitcode: int = -signal.SIGKILL
    peak_bytes: int = 0
    cpu_s: float = 0.0
    over_ceiling: bool = False
    pid: int = 0


class ForkServer:
    """Our end of the process that runs `forkserver.py`; `ready` once its modules are loaded, `lost` once it is dead."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket, life: int) -> None:
        self.ready = asyncio.Event()
        self.lost = asyncio.Event()
        self.exitcode: int | None = None
        self._process = process
        self._control = control
        self._orders = control.dup()
        self._orders.settimeout(ORDER_S)
        self._life = life
        self._children: dict[int, Child] = {}
        self._numbers = itertools.count(1)
        self._received = bytearray()
        asyncio.get_running_loop().add_reader(control, self._receive)

    @classmethod
    async def start(cls, preload: tuple[str, ...]) -> Self:
        """Start the process; it loads `preload` while the orders for it wait in the socket."""
        ours, theirs = socket.socketpair()
        life_r, life_w = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(_SCRIPT)),
                *(str(theirs.fileno()), str(life_r), json.dumps(sys.path), json.dumps(_levels()), *preload),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), life_r),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            os.close(life_w)
            raise
        finally:
            theirs.close()
            os.close(life_r)
        ours.setblocking(False)
        return cls(process, ours, life_w)

    def fork(self) -> "Child":
        """Return a new child, which is up as soon as the server gets to it."""
        channel, childs_channel = socket.socketpair()
        reports, childs_reports = os.pipe()
        os.set_blocking(reports, False)
        os.set_blocking(childs_reports, False)
        channel.setblocking(False)
        number = next(self._numbers)
        child = self._children[number] = Child(self, number, channel, reports)
        try:
            self.order(FORK, number, descriptors=(childs_channel.fileno(), childs_reports))
        finally:
            childs_channel.close()
            os.close(childs_reports)
        if self.lost.is_set():
            self._children.pop(number).settle(End())
        return child

    def order(self, verb: bytes, number: int, ceiling_bytes: int = 0, descriptors: tuple[int, ...] = ()) -> None:
        """Send an order to the server; a dead one needs none, and `_receive` learns of its death."""
        if self.lost.is_set():
            return
        with suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._orders, [ORDER.pack(verb, number, ceiling_bytes)], descriptors)

    def _receive(self) -> None:
        """Settle the children whose ends have come; all of them at the end of the server."""
        try:
            received = self._control.recv(_READ_BYTES)
        except ConnectionResetError:
            received = b""
        self._received += received
        while len(self._received) >= END.size:
            end = End(*END.unpack_from(self._received))
            del self._received[: END.size]
            if end.number:
                self._children.pop(end.number).settle(end)
            else:
                self.ready.set()
        if not received:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._orders.close()
            os.close(self._life)  # on which the kernel kills what the server has left
            while self._children:
                self._children.popitem()[1].settle(End())
            self.lost.set()
            self.ready.set()

    async def close(self) -> None:
        """End the server, which kills its children first."""
        if not self.lost.is_set():
            self._control.shutdown(socket.SHUT_WR)
        await self.lost.wait()
        self.exitcode = await self._process.wait()


class Child:
    """Our end of one child; `ended` is set when no process of its group is left."""

    def __init__(self, server: ForkServer, number: int, channel: socket.socket, reports: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[End] = self._loop.create_future()
        self.reply = bytearray()
        self._server = server
        self._number = number
        self._channel = channel
        self._reports = reports
        self._on_report: OnReport = lambda step, fraction: None
        self._unread = b""
        self._context = Context()
        self._loop.add_reader(channel, self._receive)
        self._loop.add_reader(reports, self._receive_reports)

    async def perform(self, request: bytes, ceiling_bytes: int, on_report: OnReport | None) -> None:
        """Hand over the request, 0 for no ceiling, and wait until the child has ended; `reply` is what it said.

        What it logs is logged here, as if by the current task.
        """
        self._context = copy_context()
        if on_report:
            self._on_report = on_report
        self._server.order(WATCH, self._number, ceiling_bytes)
        with suppress(BrokenPipeError, ConnectionResetError):
            await self._loop.sock_sendall(self._channel, SIZE.pack(len(request)))
            await self._loop.sock_sendall(self._channel, request)
        await asyncio.shield(self.ended)

    async def dead(self) -> End:
        """Kill the child if it lives, and return its end; a further cancellation does not shorten this."""
        if not self.ended.done():
            self._server.order(KILL, self._number)
        while not self.ended.done():
            with suppress(asyncio.CancelledError):  # what interrupted `perform` is on its way up already
                await asyncio.wait([self.ended])
        self.close()
        return self.ended.result()

    def settle(self, end: End) -> None:
        """Take what the dead child has left in socket and pipe, then let the caller go on."""
        self._receive()
        self._settle(end, _PIECES)

    def _settle(self, end: End, pieces: int) -> None:
        if self._receive_reports() and pieces:
            self._loop.call_soon(self._settle, end, pieces - 1)
        else:
            self.ended.set_result(end)

    def close(self) -> None:
        """Let go of socket and pipe."""
        self._loop.remove_reader(self._channel)
        self._loop.remove_reader(self._reports)
        self._channel.close()
        os.close(self._reports)

    def _receive(self) -> None:
        try:
            received = self._channel.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            received = b""
        if not received:
            self._loop.remove_reader(self._channel)
        self.reply += received

    def _receive_reports(self) -> bool:
        """Take a piece of what the child has reported and logged; returns whether there was any."""
        try:
            received = os.read(self._reports, _PIECE_BYTES)
        except BlockingIOError:
            return False
        if not received:
            self._loop.remove_reader(self._reports)
        *lines, unread = (self._unread + received).split(b"\n")
        self._unread = unread if len(unread) < LINE_BYTES else b""
        # by the loop: it calls this before it resumes who waits for `ended`, and logs an error of theirs
        for line in lines:
            if line.startswith(b"["):
                self._loop.call_soon(_log, line, context=self._context)
                continue
            fraction, _, step = line.partition(b" ")
            with suppress(ValueError):  # a function that has mixed up its descriptors may write anything here
                self._loop.call_soon(self._on_report, step.decode(), float(fraction))
        return bool(received)


def _log(line: bytes) -> None:
    """Log what a child has logged; it has left out already what is below the level of its logger."""
    with suppress(ValueError, TypeError, RecursionError):  # as above: anything
        level, created, name, message, trace, facts = json.loads(line)
        said = {"levelno": level, "levelname": logging.getLevelName(level), "created": created, "name": name}
        logging.getLogger().handle(logging.makeLogRecord({**facts, **said, "msg": message, "exc_text": trace}))


def _levels() -> dict[str, int]:
    """Return the levels of all loggers that have one of their own; the root logger has no name."""
    root = logging.getLogger()
    named = {"": root, **root.manager.loggerDict}
    return {name: each.level for name, each in named.items() if isinstance(each, logging.Logger) and each.level}
