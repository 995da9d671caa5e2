"""The page `docs/your-own-jobs.md`, walked through as it is written: every block is a file or a command of it."""

import asyncio
import json
import os
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.servers import ROOT

PAGE = ROOT / "docs" / "your-own-jobs.md"
BLOCK = re.compile(
    r"(?:^(?P<add>Add to )?`(?P<path>[\w./]+)`:\n\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A block of the page: a file, or commands."""

    kind: str
    path: str | None
    add: bool
    text: str


def blocks() -> list[Block]:
    found = BLOCK.finditer(PAGE.read_text())
    return [Block(each["kind"], each["path"], bool(each["add"]), each["text"]) for each in found]


@dataclass
class Newcomer:
    """Somebody in an empty folder, with an empty home."""

    folder: Path
    home: Path

    def environment(self) -> dict[str, str]:
        names = [name for name in os.environ if name in {"PATH", "LANG", "TMPDIR"} or name.startswith("PIP_")]
        kept = {name: os.environ[name] for name in names}
        return {**kept, "HOME": str(self.home), "ARQSVC_PORT": "0"}

    async def start(self, commands: str) -> Process:
        return await create_subprocess_exec(
            *("bash", "-euc", commands),
            cwd=self.folder,
            env=self.environment(),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )

    async def run(self, commands: str) -> str:
        process = await self.start(commands)
        out, err = await process.communicate()
        assert process.returncode == 0, (out + err).decode()
        return out.decode()

    def write(self, block: Block) -> None:
        assert block.path
        path = self.folder / block.path
        path.parent.mkdir(exist_ok=True)
        assert path.exists() == block.add
        path.write_text(path.read_text() + "\n\n" + block.text if block.add else block.text)

    @asynccontextmanager
    async def service(self, command: str) -> AsyncIterator[None]:
        """Run the service for the block, and end it as Ctrl-C does."""
        process = await self.start(f"exec env {command}")
        assert process.stdout
        try:
            first = (await process.stdout.readline()).decode()
            assert " at http" in first, first + ((await process.communicate())[1]).decode()
            yield
        finally:
            if process.returncode is None:
                process.send_signal(SIGTERM)
            await process.communicate()


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    """A newcomer whose programs are this suite's: the page's first commands, which install them, are not run."""
    newcomer = Newcomer(tmp_path / "project", tmp_path / "home")
    programs = newcomer.folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    newcomer.home.mkdir()
    for name in ("arqsvc", "pytest"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{ROOT}" exec {sys.executable} -m {name} "$@"\n')
        program.chmod(0o755)
    return newcomer


async def test_the_page_holds_what_it_says(newcomer: Newcomer) -> None:
    install, *rest = blocks()
    assert ".venv/bin/pip install" in install.text
    await walk(newcomer, rest)


@pytest.mark.registry
@pytest.mark.timeout(600)
async def test_the_page_holds_what_it_says_from_the_first_command_on(tmp_path: Path) -> None:
    newcomer = Newcomer(tmp_path / "project", tmp_path / "home")
    newcomer.folder.mkdir()
    newcomer.home.mkdir()
    ignored = shutil.ignore_patterns(".*", "build", "*.egg-info")
    await asyncio.to_thread(shutil.copytree, ROOT, tmp_path / "arqsvc", ignore=ignored)
    await newcomer.run(blocks()[0].text)
    await walk(newcomer, blocks()[1:])


async def walk(newcomer: Newcomer, rest: list[Block]) -> None:
    """Do what the page says, block by block."""
    files = [block for block in rest if block.path]
    first, up, use, last = [block.text for block in rest if block.kind == "sh"]
    (shown,) = [block.text for block in rest if not block.kind]
    assert len(files) + 5 == len(rest), "each block is a file, or one of these"
    for block in files[:-3]:
        newcomer.write(block)
    assert "2 passed" in await newcomer.run(first)
    async with newcomer.service(up):
        out = await newcomer.run(use)
    watched, _, job = out.partition("{")
    assert [line[19:] for line in watched.splitlines()] == [line[19:] for line in shown.splitlines()]
    result = json.loads("{" + job)
    assert (result["state"], result["result"]) == ("succeeded", {"length_bp": 14, "gc": 8 / 12})
    assert [file["name"] for file in result["files"]] == ["composition.tsv"]
    for block in files[-3:]:
        newcomer.write(block)
    assert "3 passed" in await newcomer.run(last)
