"""Runs a pure function in a child process that can be killed alone.

Every call has a forked child of its own, since what is not shared need not be guarded, or rebuilt when a child breaks
it. That costs 3 to 7 ms a call, against 0.3 ms with pebble's reused children and 56 to 60 ms with pebble and a child a
call; a cancelled call in C code is dead after 2 to 10 ms, with pebble after 46 to 74 (`python -m benchmarks.pool`).
"""

import asyncio
import logging
import pickle
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from arqsvc.errors import ChildDied, OutOfMemory
from arqsvc.infra.children import Child, End, ForkServer, OnReport
from arqsvc.infra.forkserver import SIZE, STARTED

logger = logging.getLogger(__name__)
T = TypeVar("T")

_TRIES = 3  # a warm child may die before the call reaches it; more than that in a row is no accident
_READ_BYTES = 1 << 18
_MIB = 1 << 20


class ChildError(Exception):
    """What a function raised or returned could not cross to us; the message names the original type and its message."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call used, all its processes together; zero where it never got a child."""

    peak_memory_bytes: int
    """Resident memory: exact for the child alone, sampled every 50 ms for it and its children together."""
    cpu_s: float
    """User and system time; on macOS without the children that were killed."""
    pid: int = 0
    """Process id of the child."""


class Pool:
    """Runs pure functions in children, `size` at a time.

    A call that waits for its turn can be cancelled like one that runs. Leaving the context kills what still runs.

    Args:
        size: how many calls run at the same time; each may use one core.
        preload: modules loaded once, in the background, before the first fork; they may start no thread.
        warm: how many children are kept forked ahead of the calls.
    """

    def __init__(self, size: int, preload: tuple[str, ...] = (), warm: int = 1) -> None:
        self._slots = asyncio.Semaphore(size)
        self._preload = preload
        self._warm = warm
        self._idle: deque[Child] = deque()
        self._server: ForkServer | None = None
        self._server_changes = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._server = await ForkServer.start(self._preload)
        self._refill(self._server)
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._server_changes:
            server, self._server = self._server, None
        if server:
            await server.close()
        while self._idle:
            self._idle.pop().close()

    async def run(
        self,
        function: Callable[..., T],
        /,
        *args: Any,
        memory_limit_bytes: int | None = None,
        on_report: OnReport | None = None,
        on_usage: Callable[[Usage], object] | None = None,
        trace: str | None = None,
    ) -> T:
        """Return `function(*args)`, called in a child of its own.

        However this ends, by cancellation too, it ends when no process of the call's group is left; what starts a
        session of its own has left the group. Function, arguments and result are pickled; the function is found by the
        name of its module. Unpickling holds the GIL: a result of many MB is a file, bytes or an array, not objects.

        What the child logs is logged here before this returns, as if by the current task: 2,000 lines of a call, each
        up to 4 KiB long. The levels of loggers are those from when the pool was opened.

        Args:
            function: gets `report(step, fraction)` as a keyword argument if there is an `on_report`; of a step, 64
                characters arrive.
            memory_limit_bytes: ceiling of the resident memory, children of the child included, looked at every 50 ms.
            on_report: called in order, before this returns; reports that come faster than we read are dropped.
            on_usage: called once, however the call ends.
            trace: the trace that the call belongs to, as `traceparent`; its child has it as the variable TRACEPARENT.

        Raises:
            ChildDied: the child ended without an answer.
            OutOfMemory: the call went past `memory_limit_bytes`.
            ChildError: what was raised or returned does not survive pickling. Every other exception of the function is
                raised as it is; a note carries the traceback.
        """
        request = pickle.dumps((function, args, on_report is not None, trace))
        end = End()
        try:
            async with self._slots:
                for _ in range(_TRIES):
                    child = await self._take()
                    try:
                        await child.perform(request, memory_limit_bytes or 0, on_report)
                    finally:
                        end = await child.dead()
                    if child.reply or end.over_ceiling:
                        break
        finally:
            if on_usage:
                on_usage(Usage(end.peak_bytes, end.cpu_s, end.pid))
        result: T = await _result(child.reply, end, memory_limit_bytes)
        return result

    async def _take(self) -> Child:
        """Return a child that waits for its request, of a new fork server if the last one is dead."""
        async with self._server_changes:
            if self._server is None:
                raise RuntimeError("the pool is not open")
            if self._server.lost.is_set():
                await self._server.close()
                logger.warning("Fork server died, starting another", extra={"exitcode": self._server.exitcode})
                self._server = await ForkServer.start(self._preload)
            server = self._server
        await server.ready.wait()
        while self._idle:
            child = self._idle.popleft()
            if not child.ended.done():
                break
            child.close()
        else:
            child = server.fork()
        self._refill(server)
        return child

    def _refill(self, server: ForkServer) -> None:
        while len(self._idle) < self._warm:
            self._idle.append(server.fork())


async def _result(reply: bytearray, end: End, ceiling_bytes: int | None) -> Any:
    if end.over_ceiling and ceiling_bytes:
        raise _out_of_memory(ceiling_bytes, end.peak_bytes)
    head = len(STARTED) + SIZE.size
    if len(reply) < head or len(reply) - head != SIZE.unpack_from(reply, len(STARTED))[0]:
        raise _child_died(end.exitcode)
    # in a thread, because the class of a result or of an error may have to be imported first
    result, error = await asyncio.to_thread(_read, memoryview(reply)[head:])
    if isinstance(error, MemoryError) and ceiling_bytes:
        raise _out_of_memory(ceiling_bytes, end.peak_bytes) from error
    if error:
        raise error
    return result


def _read(reply: memoryview) -> tuple[Any, Exception | None]:
    """Return the result and None, or None and the error with its traceback as a note."""
    try:
        succeeded, payload = pickle.loads(reply)  # noqa: S301 - our own child wrote it
    except Exception as error:  # unpickling runs foreign code
        unreadable = ChildError(f"the result cannot be unpickled: {type(error).__name__}: {error}")
        unreadable.__cause__ = error
        return None, unreadable
    if succeeded:
        return payload, None
    pickled, summary, trace = payload
    failure = _unpickled(pickled) or ChildError(summary)
    failure.add_note(f"In the child process:\n{trace}")
    return None, failure


def _unpickled(pickled: bytes | None) -> Exception | None:
    if pickled is None:
        return None
    try:
        error: Exception = pickle.loads(pickled)  # noqa: S301 - our own child wrote it
    except Exception:  # its class cannot be imported here, or its __init__ raises
        return None
    return error


def _out_of_memory(ceiling_bytes: int, peak_bytes: int) -> OutOfMemory:
    return OutOfMemory(
        f"The call needs more memory than its ceiling of {ceiling_bytes // _MIB} MiB; it had {peak_bytes // _MIB} MiB. "
        "Take a smaller input, or raise the ceiling.",
        ceiling_bytes=ceiling_bytes,
        peak_bytes=peak_bytes,
    )


def _child_died(exitcode: int) -> ChildDied:
    how = f"exit code {exitcode}" if exitcode >= 0 else f"{signal.Signals(-exitcode).name}"
    return ChildDied(
        f"A child process ended without an answer ({how}). Try again; if it ends so every time, see the log.",
        exitcode=exitcode,
    )
