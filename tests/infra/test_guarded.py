"""Programs that do not outlive us, with real ones."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from arqsvc.errors import CannotStart
from arqsvc.infra.guarded import guarded

OBEYS = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit("bye")); print("up", flush=True); signal.pause()
"""
IGNORES = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN); print("up", flush=True)
while True: signal.pause()
"""
HAS_A_CHILD = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True)"
KILLED_WITH_US = """
import asyncio, os, signal, sys; from arqsvc.infra.guarded import guarded
async def main():
    async with guarded(["sleep", "600"], stop_signal=signal.SIGTERM, grace_s=5) as program:
        print(program.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


async def said(log: Path) -> str:
    async with asyncio.timeout(20):
        while True:
            if log.exists() and (text := log.read_text()).endswith("\n"):
                return text
            await asyncio.sleep(0.01)


async def gone(pid: int) -> bool:
    async with asyncio.timeout(20):
        while True:
            if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("cat", 0)])
async def test_a_program_that_ends_by_itself_gives_its_exit_code(script: str, code: int) -> None:
    async with guarded(["sh", "-c", script], stop_signal=signal.SIGTERM, grace_s=5) as program:
        assert await program.wait() == code
        assert program.exit_code == code


async def test_a_program_that_is_not_there_or_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for command, log, reason in (
        ("/no/such/program", None, "/no/such/program cannot be run: No such file or directory"),
        ("true", tmp_path / "missing" / "log", "true cannot be run: .*missing/log"),
    ):
        with pytest.raises(CannotStart, match=reason):
            async with guarded([command], stop_signal=signal.SIGTERM, grace_s=5, log=log):
                pass


async def test_the_end_of_the_block_asks_the_program_to_end_and_waits_for_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with guarded([sys.executable, "-c", OBEYS], stop_signal=signal.SIGTERM, grace_s=60, log=log) as program:
        await said(log)
        assert program.exit_code is None
        assert os.getsid(program.pid) != os.getsid(0), "the terminal's Ctrl-C would reach it"
    assert log.read_text() == "up\nbye\n"
    assert program.exit_code == 1
    assert not psutil.pid_exists(program.pid)


async def test_a_program_that_ignores_its_stop_signal_is_killed_after_the_grace(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with guarded([sys.executable, "-c", IGNORES], stop_signal=signal.SIGTERM, grace_s=0.1, log=log) as program:
        await said(log)
    assert program.exit_code == 128 + signal.SIGKILL


async def test_a_block_that_fails_or_is_cancelled_ends_the_program() -> None:
    with pytest.raises(TimeoutError):
        async with guarded(["sleep", "600"], stop_signal=signal.SIGTERM, grace_s=5) as program, asyncio.timeout(0):
            await program.wait()
    assert program.exit_code == 128 + signal.SIGTERM


async def test_a_guard_that_is_asked_to_end_ends_the_program() -> None:
    async with guarded(["sleep", "600"], stop_signal=signal.SIGINT, grace_s=5) as program:
        os.kill(psutil.Process(program.pid).ppid(), signal.SIGTERM)
        assert await program.wait() == 128 + signal.SIGINT


async def test_what_the_program_started_ends_with_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with guarded([sys.executable, "-c", HAS_A_CHILD], stop_signal=signal.SIGTERM, grace_s=5, log=log) as program:
        assert await program.wait() == 0
        assert await gone(int(log.read_text()))


async def test_a_program_gets_the_environment_it_is_given_and_no_ignored_signals(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "echo $ONLY ${HOME:-none}; kill -XFSZ $$"  # Python ignores SIGXFSZ, and a shell cannot undo that
    command = ["/bin/sh", "-c", script]
    async with guarded(command, stop_signal=signal.SIGTERM, grace_s=5, log=log, env={"ONLY": "this"}) as program:
        assert await program.wait() == 128 + signal.SIGXFSZ
    assert log.read_text().startswith("this none\n")


async def test_the_kernel_closing_our_end_is_enough_to_end_the_program() -> None:
    us = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_WITH_US, stdout=asyncio.subprocess.PIPE)
    output, _ = await us.communicate()
    assert us.returncode == -signal.SIGKILL
    assert await gone(int(output))
