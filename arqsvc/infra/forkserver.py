"""The fork server: a process with the science libraries loaded, which forks one child a call and buries it.

`children.py` starts this file as a script, so that no child loads what the package `arqsvc.infra` imports. Orders
(fork, watch, kill) come through a socket; for each fork one end goes back, when no process of its group is left.
When the socket closes, because the pool closed or its process died, every group is killed and the server ends.
"""

import ctypes
import fcntl
import gc
import importlib
import json
import logging
import os
import pickle
import resource
import select
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import psutil

FORK: Final = b"F"
WATCH: Final = b"W"
KILL: Final = b"K"
ORDER: Final = struct.Struct("<cqq")
"""What to do; the number of the child; for `WATCH` the ceiling in bytes, 0 for none. With `FORK` go two descriptors."""
END: Final = struct.Struct("<qiqd?q")
"""Number of the child; exit code, negative for a signal; peak memory in bytes; CPU seconds; killed for its memory?; its
process id."""
SIZE: Final = struct.Struct("<q")
"""Stands before a request and before a reply: the number of bytes that follow."""
STARTED: Final = b"!"
"""Stands before the reply: the request has arrived whole, and from here on the function may have had effects."""
LINE_BYTES: Final = select.PIPE_BUF
"""Longest report, and longest line of a log: what is written at once, and so never torn; 4 KiB on Linux."""
LINES: Final = 2_000
"""Most lines that a call logs."""

_SAMPLE_S = 0.05
_BURIAL_S = 0.002
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h
_PATIENCE_S = 2.0  # for which a call waits, all in all, until the lines that it logs are read
_LOGGED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_MAXRSS_BYTES = 1024 if sys.platform == "linux" else 1  # getrusage: KiB on Linux, bytes on macOS


@dataclass(slots=True)
class _Child:
    """A child and its group until the last of them is gone; `exitcode` is None while the child lives."""

    number: int
    pid: int
    exitcode: int | None = None
    watched: bool = False
    ceiling_bytes: int = 0
    over_ceiling: bool = False
    peak_bytes: int = 0
    cpu_s: float = 0.0

    def kill(self) -> None:
        """Kill the group; by pid too, while the child has not yet made the group its own."""
        with suppress(ProcessLookupError, PermissionError):
            if self.exitcode is None:
                os.kill(self.pid, signal.SIGKILL)
            os.killpg(self.pid, signal.SIGKILL)

    def gone(self) -> bool:
        """Tell whether no process of the group is left, not even a dead one that nobody has reaped."""
        if self.exitcode is None:
            return False
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return True
        return False


class _ForkServer:
    """Obeys the orders that come through `control`; single-threaded, because it forks."""

    def __init__(self, control: socket.socket, life: int) -> None:
        self._control = control
        self._life = life
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_r, False)
        os.set_blocking(self._wake_w, False)
        self._children: dict[int, _Child] = {}  # by pid, which is the number of the group too
        self._sampled_at = 0.0

    def serve(self) -> None:
        """Fork, watch and bury until the control socket is closed and no child is left."""
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, so that the death of a child wakes select()
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        serving = True
        while serving or self._children:
            sources = [self._wake_r, self._control.fileno()] if serving else [self._wake_r]
            ready, _, _ = select.select(sources, [], [], self._patience_s())
            if self._wake_r in ready:
                os.read(self._wake_r, 4096)
            if self._control.fileno() in ready:
                serving = self._obey()
            self._reap()
            self._bury()
            self._sample()

    def _patience_s(self) -> float | None:
        if any(child.exitcode is not None for child in self._children.values()):
            return _BURIAL_S
        return _SAMPLE_S if any(child.watched for child in self._children.values()) else None

    def _obey(self) -> bool:
        """Carry out the next order; at the end of all orders kill every child and return False."""
        order, descriptors = b"", list[int]()
        with suppress(ConnectionResetError):  # the pool's process died before it had read what we told it
            order, descriptors, _, _ = socket.recv_fds(self._control, ORDER.size, 2, socket.MSG_WAITALL)
        verb, number, ceiling_bytes = ORDER.unpack(order) if order else (KILL, None, 0)
        if verb == FORK:
            self._fork(number, descriptors)
        for child in self._children.values():
            if verb == WATCH and child.number == number:
                child.watched, child.ceiling_bytes = True, ceiling_bytes
            elif verb == KILL and number in (child.number, None):
                child.kill()
        return bool(order)

    def _fork(self, number: int, descriptors: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError as error:  # no process or no memory left: the pool hears of it, the others go on
            self._tell(_Child(number, pid=0, exitcode=error.errno))
        else:
            if pid == 0:
                self._be_child(*descriptors)
            self._children[pid] = _Child(number, pid)
        for descriptor in descriptors:
            os.close(descriptor)

    def _be_child(self, channel: int, reports: int) -> NoReturn:
        """In the child: let go of all that is the server's, answer one request, never return."""
        exitcode = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            os.close(self._wake_r)
            os.close(self._wake_w)
            _die_with(self._life)
            answer(socket.socket(fileno=channel), reports)
            exitcode = 0
        except BrokenPipeError:  # the pool is gone or has given up this call
            pass
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(exitcode)

    def _reap(self) -> None:
        """Collect the dead: children, and on Linux orphans of their groups, whose CPU time counts for the call."""
        while dead := _next_dead():
            pid, group, status, used = dead
            child = self._children.get(pid) or self._children.get(group)
            if child:
                child.cpu_s += used.ru_utime + used.ru_stime
                child.peak_bytes = max(child.peak_bytes, used.ru_maxrss * _MAXRSS_BYTES)
                if pid == child.pid:
                    child.exitcode = os.waitstatus_to_exitcode(status)
                    child.kill()  # those of its group that it left behind

    def _bury(self) -> None:
        """Tell the pool of each group of which nothing is left."""
        for child in [child for child in self._children.values() if child.gone()]:
            del self._children[child.pid]
            self._tell(child)

    def _tell(self, child: _Child) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self._control.sendall(
                END.pack(child.number, child.exitcode, child.peak_bytes, child.cpu_s, child.over_ceiling, child.pid)
            )

    def _sample(self) -> None:
        """Add up the resident memory of every group that runs a call; kill what is over its ceiling."""
        watched = {child.pid: child for child in self._children.values() if child.watched}
        if not watched or time.monotonic() - self._sampled_at < _SAMPLE_S:
            return
        self._sampled_at = time.monotonic()
        resident = dict.fromkeys(watched, 0)
        for pid in psutil.pids():
            with suppress(OSError, psutil.Error):  # it died since
                group = os.getpgid(pid)
                if group in resident:
                    resident[group] += psutil.Process(pid).memory_info().rss
        for group, child in watched.items():
            child.peak_bytes = max(child.peak_bytes, resident[group])
            if 0 < child.ceiling_bytes < resident[group]:
                child.over_ceiling = True
                child.kill()


def _next_dead() -> tuple[int, int, int, resource.struct_rusage] | None:
    """Reap one dead process: its id, its group, its wait status and what it used; None when none waits."""
    try:
        if sys.platform == "linux":
            seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if seen is None:
                return None
            group = os.getpgid(seen.si_pid)  # asked before it is reaped: afterwards it has none
            pid, status, used = os.wait4(seen.si_pid, 0)
        else:  # orphans go to launchd: who is reaped here led a group
            group, status, used = os.wait4(-1, os.WNOHANG)
            pid = group
    except ChildProcessError:
        return None
    return (pid, group, status, used) if pid else None


def _die_with(life: int) -> None:
    """Have the kernel kill this process group when nobody has the write end of the pipe `life` any more.

    Linux only, and for the case that the server was killed: nobody else is left to do it, and the child may itself be
    in C code that holds the GIL. The pipe is opened anew: owner and signal belong to the open file, which all share.
    """
    if sys.platform == "linux":
        own = os.open(f"/proc/self/fd/{life}", os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(own, fcntl.F_SETOWN, -os.getpid())
        fcntl.fcntl(own, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(own, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
    os.close(life)


def answer(channel: socket.socket, reports: int) -> None:
    """Read one request from `channel`, call its function, write the reply; nothing when the channel is closed."""
    logging.getLogger().addHandler(_Lines(reports))
    size = channel.recv(SIZE.size, socket.MSG_WAITALL)
    if len(size) == SIZE.size:
        request = channel.recv(SIZE.unpack(size)[0], socket.MSG_WAITALL)
        channel.sendall(STARTED)
        reply = _reply(request, reports)
        channel.sendall(SIZE.pack(len(reply)))
        channel.sendall(reply)


def _reply(request: bytes, reports: int) -> bytes:
    """Call what `request` asks for: pickled `(True, result)`, or `(False, failure)` as `_failure` gives it."""
    try:
        function, args, reporting, trace = pickle.loads(request)  # noqa: S301 - from the process that started us
        if trace:
            os.environ["TRACEPARENT"] = trace
        keywords = {"report": _reporter(reports)} if reporting else {}
        result = function(*args, **keywords)
    except BaseException as error:
        return pickle.dumps((False, _failure(error)))
    try:
        return pickle.dumps((True, result))
    except BaseException as error:
        summary = f"the result, of type {type(result).__qualname__}, cannot be pickled: {error}"
        return pickle.dumps((False, (None, summary, traceback.format_exc())))


def _failure(error: BaseException) -> tuple[bytes | None, str, str]:
    """Return the pickled error, or None if it does not survive that; its type and message; its traceback."""
    summary = "".join(traceback.format_exception_only(error)).strip()
    return _pickled(error), summary, "".join(traceback.format_exception(error))


def _pickled(error: BaseException) -> bytes | None:
    # SystemExit ends the caller's event loop, CancelledError passes for its own; coroutines cannot raise StopIteration
    if not isinstance(error, Exception) or isinstance(error, StopIteration):
        return None
    try:
        pickled = pickle.dumps(error)
        copy = pickle.loads(pickled)  # noqa: S301 - written a line above
        return pickled if type(copy) is type(error) and str(copy) == str(error) else None
    except Exception:  # foreign code: __reduce__ and __init__ of any exception there is
        return None


def _reporter(reports: int) -> Callable[[str, float], None]:
    """Return the `report` of a running function: one write each, whole or, when the pipe is full, dropped."""

    def report(step: str, fraction: float) -> None:
        # 64 characters of 4 bytes and a number: below the smallest PIPE_BUF there is, 512
        line = f"{float(fraction)} {step[:64]}".replace("\n", " ")
        with suppress(OSError):
            os.write(reports, line.encode(errors="replace") + b"\n")

    return report


class _Lines(logging.Handler):
    """Hands what a function logs to its caller, behind its reports; what nobody reads in time is lost."""

    def __init__(self, reports: int) -> None:
        super().__init__()
        self._reports, self._left, self._patience_s = reports, LINES, _PATIENCE_S

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; behind the last that a call may log, that there were more."""
        if self._left < 0:
            return
        self._left -= 1
        if self._left < 0:
            facts = {"name": record.name, "levelno": logging.WARNING, "created": record.created}
            text = f"… more lines were left out: what is computed in one call logs at most {LINES:,}."
            record = logging.makeLogRecord({**facts, "msg": text})
        try:
            line = self._line(record)
        except Exception:  # as logging has it: a record that cannot be written ends no call
            self.handleError(record)
        else:
            with suppress(OSError):
                self._write(line)

    def _write(self, line: bytes) -> None:
        while True:
            with suppress(BlockingIOError):
                os.write(self._reports, line)
                return
            waits_at = time.monotonic()
            select.select([], [self._reports], [], max(0.0, self._patience_s))
            self._patience_s -= time.monotonic() - waits_at
            if self._patience_s <= 0:
                return

    def _line(self, record: logging.LogRecord) -> bytes:
        """Return a record in JSON, as short as must be: the end of its traceback, the beginning of its message."""
        facts: Mapping[str, Any] = {name: value for name, value in vars(record).items() if name not in _LOGGED}
        message, trace = record.getMessage()[:LINE_BYTES], ""
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)[-LINE_BYTES:]
        while True:
            said = [record.levelno, record.created, record.name[:100], message, trace, facts]
            line = json.dumps(said, default=str, ensure_ascii=False).encode(errors="replace") + b"\n"
            if len(line) <= LINE_BYTES:
                return line
            if trace:
                trace = trace[len(trace) // 4 + 1 :]
            elif facts:
                message = " ".join([message, *(f"{name}={value}" for name, value in facts.items())])[:LINE_BYTES]
                facts = {}
            else:
                message = message[: len(message) * 3 // 4]


def main(control: str, life: str, path: str, levels: str, *preload: str) -> None:
    """Load the modules `preload`, then serve; descriptors as numbers, as JSON the import path and loggers' levels."""
    sys.path[:] = json.loads(path)
    for name, level in json.loads(levels).items():
        logging.getLogger(name).setLevel(level)
    # one thread a child: the pool's size is the number of cores in use, and a forked process must have no second thread
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    for module in preload:
        importlib.import_module(module)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    gc.collect()
    gc.freeze()  # the collector of a child does not touch, and so not copy, what all share
    orders = socket.socket(fileno=int(control))
    with suppress(BrokenPipeError, ConnectionResetError):
        orders.sendall(END.pack(0, 0, 0, 0.0, False, 0))  # the end of no child: the modules are loaded
    _ForkServer(orders, int(life)).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
