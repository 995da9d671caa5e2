"""Runs one program, and ends it when standard input closes: in order, or because who held the other end was killed.

A script of its own, standard library only, so that it is up in milliseconds and outlives what it guards against:

    python -I -S -E guard.py --signal SIGINT --grace 10 -- PROGRAM ARGUMENT...

The first line on standard output is the program's process id, or why it could not be started. What the program writes
goes to standard error. The exit code is the program's own, 128 + n after signal n, 127 where it could not be started.
"""

import os
import select
import signal
import sys
import time
from contextlib import suppress

STDIN, STDOUT, STDERR = 0, 1, 2


def guard(stop_signal: signal.Signals, grace_s: float, command: list[str]) -> int:
    """Return the exit code of `command`, ended by `stop_signal` on end of input, by SIGKILL `grace_s` later."""
    wake = _signals_as_bytes()
    try:
        pid = _start(command)
    except OSError as error:
        os.write(STDOUT, f"{error.strerror}: {command[0]}\n".encode())
        return 127
    with suppress(BrokenPipeError):  # who started us may be gone already; end of input says so below
        os.write(STDOUT, f"{pid}\n".encode())
    os.dup2(STDERR, STDOUT)
    status = _end_of(pid, wake, None)
    if status is None:
        os.kill(pid, stop_signal)
        status = _end_of(pid, wake, grace_s)
    if status is None:
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
    with suppress(ProcessLookupError, PermissionError):  # macOS refuses where only zombies are left in the group
        os.killpg(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _signals_as_bytes() -> int:
    """Return a descriptor that gives each signal's number as a byte: our child's end, or a wish that we stop."""
    wake, written = os.pipe()
    os.set_blocking(written, False)
    signal.set_wakeup_fd(written)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return wake


def _start(command: list[str]) -> int:
    """Return the id of the program, started in a process group of its own with standard input empty."""
    files = [(os.POSIX_SPAWN_OPEN, STDIN, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, STDERR, STDOUT)]
    python_ignores = [signal.SIGPIPE, signal.SIGXFSZ]
    return os.posix_spawnp(command[0], command, os.environ, file_actions=files, setpgroup=0, setsigdef=python_ignores)


def _end_of(pid: int, wake: int, within_s: float | None) -> int | None:
    """Return the wait status of `pid`; None after `within_s`, or, without such a limit, when it is time to stop it."""
    deadline = None if within_s is None else time.monotonic() + within_s
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        if deadline is None:
            ready, _, _ = select.select([wake, STDIN], [], [])
        else:
            ready, _, _ = select.select([wake], [], [], max(0.0, deadline - time.monotonic()))
        stop_asked = wake in ready and os.read(wake, 1)[0] != signal.SIGCHLD and deadline is None
        if stop_asked or STDIN in ready or not ready:
            return None


if __name__ == "__main__":
    _, name, _, grace, _, *program = sys.argv[1:]
    sys.exit(guard(signal.Signals[name], float(grace), program))
