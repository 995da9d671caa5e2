"""What a child logs is logged by its caller: in order, whole, bounded, and also what it logged before it died."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path

import pytest

from arqsvc.errors import ChildDied
from arqsvc.infra.forkserver import LINE_BYTES, LINES
from arqsvc.infra.pool import Pool
from arqsvc.logs import JsonLines, bind, extras
from tests.infra import pool_work as work
from tests.infra.reports import Reports

A_PARENT = """
import asyncio, logging, sys
from pathlib import Path
from arqsvc.infra.pool import Pool
from tests.infra import pool_work
logging.getLogger().setLevel(logging.INFO)
async def main():
    async with Pool(size=1) as pool:
        report = lambda step, fraction: print(step, flush=True)
        await pool.run(pool_work.log_and_touch, 1000, Path(sys.argv[1]), on_report=report)
asyncio.run(main())
"""
caller: ContextVar[str] = ContextVar("caller", default="nobody")


class Told(logging.Handler):
    """Keeps the records of the children, and for whom each was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.lines: list[str] = []
        self.callers: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == work.logger.name:
            self.records.append(record)
            self.lines.append(JsonLines().format(record))
            self.callers.append(caller.get())

    @property
    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
async def told(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Told]:
    """What is logged from INFO on, by children whose pool opens later."""
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.WARNING, "matplotlib")
    handler = Told()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


async def test_what_a_child_logs_is_logged_by_its_caller_before_the_result(told: Told, pool: Pool) -> None:
    reports = Reports()

    async def call() -> str:
        caller.set("one")
        bind(job_id="7")
        return await pool.run(work.log_all, on_report=reports)

    assert await asyncio.create_task(call()) == "logged"
    seen = [(record.levelname, record.getMessage()) for record in told.records]
    assert seen == [
        ("INFO", "7 reads of\nGröße 🧬 ?"),
        ("ERROR", "it went wrong"),
        ("WARNING", "in a thread"),
        ("ERROR", "in a grandchild"),
    ]
    assert set(told.callers) == {"one"}
    assert extras(told.records[0]) == ["reads=7", "path=/x", "steps=[1, 2]"]
    assert '"job_id": "7", "reads": 7, "path": "/x", "steps": [1, 2]' in told.lines[0]
    assert "in log_all\\n    raise KeyError" in told.lines[1]
    assert reports.all == [("half", 0.5)]


async def test_each_caller_gets_what_its_own_child_logs(told: Told, pool: Pool) -> None:
    async def call(name: str, lines: int) -> None:
        caller.set(name)
        with pytest.raises(ChildDied):
            await pool.run(work.log_and_die, lines)

    async with asyncio.TaskGroup() as group:
        for name, lines in (("one", 30), ("two", 40), ("three", 50)):
            group.create_task(call(name, lines))
    assert {name: told.callers.count(name) for name in told.callers} == {"one": 30, "two": 40, "three": 50}


async def test_a_long_line_is_cut_and_none_is_torn(told: Told, pool: Pool) -> None:
    await pool.run(work.log_long, 4)
    assert len(told.records) == 4 * 4
    assert {message[0] for message in told.messages} == set("abcd")
    sizes = [len(f"{record.getMessage()}{record.exc_text}".encode()) for record in told.records]
    assert max(sizes) < LINE_BYTES < 8 * min(sizes)
    assert all((record.exc_text or "x").endswith("x") for record in told.records)


async def test_a_call_that_logs_without_end_is_heard_for_a_while(told: Told, pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "done.go").touch()
    assert await pool.run(work.log_and_touch, 50_000, tmp_path / "done", on_report=Reports()) == 50_000
    assert [message.split()[1] for message in told.messages[:LINES]] == [str(number) for number in range(LINES)]
    assert told.records[LINES].levelname == "WARNING"
    assert told.messages[LINES:] == ["… more lines were left out: what is computed in one call logs at most 2,000."]


async def test_what_a_child_logged_before_it_died_is_logged(told: Told, pool: Pool) -> None:
    with pytest.raises(ChildDied):
        await pool.run(work.log_and_die, 1_000)
    assert told.messages == [f"line {number}" for number in range(1_000)]


def test_a_child_goes_on_though_nobody_reads_what_it_logs(tmp_path: Path) -> None:
    command = [sys.executable, "-c", A_PARENT, str(tmp_path / "done")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as parent:
        assert parent.stdout
        assert parent.stdout.readline().strip().isdigit()
        parent.send_signal(signal.SIGSTOP)
        (tmp_path / "done.go").touch()
        while not (tmp_path / "done").exists():
            time.sleep(0.01)
        parent.kill()
