"""The program as a user runs it: a process of its own, in an environment of its own."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIG_DFL, SIGINT, SIGTERM, signal

import psutil

from tests.servers import ROOT


def heed_ctrl_c() -> None:
    """Undo what a shell does to a command that it starts in the background, where this suite may run too."""
    signal(SIGINT, SIG_DFL)


@dataclass
class Program:
    """The command `arqsvc` of one user, whose HOME is a folder of the test."""

    home: Path

    def environment(self) -> dict[str, str]:
        """Return a clean environment: no variable of ours, no folder of the machine's user."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {**kept, "HOME": str(self.home), "PYTHONPATH": str(ROOT)}

    @property
    def state(self) -> Path:
        """Where the state lies by default."""
        return self.home / ".local" / "state" / "arqsvc"

    async def start(self, *words: str | Path, **environ: str) -> Process:
        """Start a command."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "arqsvc", *words),
            cwd=self.home,
            env={**self.environment(), **environ},
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            preexec_fn=heed_ctrl_c,
        )

    async def run(self, *words: str | Path, **environ: str) -> tuple[int, str, str]:
        """Run a command; returns exit code, standard output and standard error."""
        process = await self.start(*words, **environ)
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    @asynccontextmanager
    async def up(self, **environ: str) -> AsyncIterator[tuple[Process, str]]:
        """Run `arqsvc up` on a free port for the block; yields it and its address."""
        process = await self.start("up", "--port", "0", **environ)
        assert process.stdout
        try:
            first = (await process.stdout.readline()).decode()
            assert " at http" in first, first
            yield process, first.split(" at ")[1].split()[0]
        finally:
            if process.returncode is None:
                process.send_signal(SIGTERM)
            await process.communicate()

    def processes(self) -> list["Running"]:
        """Return what runs in the name of this user: whatever has this HOME, or works in it, and is no zombie."""
        found = []
        for process in psutil.process_iter():
            try:
                running = Running(process.pid, process.name(), process.cmdline())
                home = str(self.home)
                ours = process.environ().get("HOME") == home or process.cwd().startswith(home)
                if (ours or home in " ".join(running.words)) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(running)
            except psutil.Error:
                continue  # it has ended while we looked, or is not ours to look at
        return found


@dataclass
class Running:
    """A process as it was when we looked."""

    pid: int
    name: str
    words: list[str]
