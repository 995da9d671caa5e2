"""A program that does not outlive us: the asyncio side of `guard.py`."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from signal import Signals

from arqsvc.errors import CannotStart

logger = logging.getLogger(__name__)

GUARD: list[str | Path] = [sys.executable, "-I", "-S", "-E", Path(__file__).with_name("guard.py")]
SPAWN_S = 20.0  # the guard is up in 0.1 s on a busy core
AGAIN_S = 0.5
KILL_S = 5.0  # from SIGKILL to gone; longer only while the kernel waits for a disk


class Guarded:
    """A running program."""

    def __init__(self, guard: asyncio.subprocess.Process, pid: int) -> None:
        self.pid = pid
        """The program's own process id, not its guard's."""
        self._guard = guard

    @property
    def exit_code(self) -> int | None:
        """The program's exit code, 128 + n after signal n; None while it runs."""
        return self._guard.returncode

    async def wait(self) -> int:
        """Return the exit code once the program has ended."""
        return await self._guard.wait()


@asynccontextmanager
async def guarded(
    command: Sequence[str | Path],
    *,
    stop_signal: Signals,
    grace_s: float,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    insisted: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Guarded]:
    """Run `command` for the block, and end it too when this process is killed.

    It runs in a session of its own, where the terminal's Ctrl-C does not reach it.

    Args:
        command: the program and its arguments.
        stop_signal: asks the program to end.
        grace_s: how long it may take to do so before it is killed.
        log: takes what it writes, at the end of the file; None for our standard error.
        env: its whole environment; None for ours.
        insisted: returns when the program, while it ends, is to be asked once more.

    Raises:
        CannotStart: the program is missing or may not be run, or its log cannot be written.
    """
    stdin, pipe = os.pipe()  # the guard stops the program once `pipe` is closed, which the kernel does if we cannot
    guard: asyncio.subprocess.Process | None = None
    try:
        try:
            with ExitStack() as only_to_start:
                only_to_start.callback(os.close, stdin)
                guard = await asyncio.create_subprocess_exec(
                    *GUARD,
                    *("--signal", stop_signal.name, "--grace", str(grace_s), "--"),
                    *command,
                    stdin=stdin,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=only_to_start.enter_context(log.open("ab")) if log else None,
                    env=env,
                    start_new_session=True,
                )
            pid = await _program_id(guard)
        except OSError as error:
            raise CannotStart(f"{command[0]} cannot be run: {error or 'its guard does not answer'}.") from error
        yield Guarded(guard, pid)
    finally:
        os.close(pipe)
        if guard:
            asking = asyncio.create_task(_ask_again(pid, stop_signal, insisted)) if insisted else None
            await _end_of(guard, grace_s)
            if asking:
                asking.cancel()


async def _program_id(guard: asyncio.subprocess.Process) -> int:
    assert guard.stdout is not None
    async with asyncio.timeout(SPAWN_S):
        said = (await guard.stdout.readline()).decode().strip()
    if said.isdigit():
        return int(said)
    raise ChildProcessError(said or "its guard ended at once")


async def _ask_again(pid: int, stop_signal: Signals, insisted: Callable[[], Awaitable[None]]) -> None:
    await insisted()
    with suppress(ProcessLookupError):
        while True:  # of two signals that come at once a program hears one
            os.kill(pid, stop_signal)
            await asyncio.sleep(AGAIN_S)


async def _end_of(guard: asyncio.subprocess.Process, grace_s: float) -> None:
    try:
        async with asyncio.timeout(grace_s + KILL_S):
            await guard.wait()
    except TimeoutError:
        logger.error("A program does not end, not even killed", extra={"guard_pid": guard.pid})
