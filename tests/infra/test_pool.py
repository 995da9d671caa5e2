"""The contract of the pool, a test a line, with real children that really misbehave."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from arqsvc.errors import ChildDied
from arqsvc.infra.pool import ChildError, Pool, Usage
from tests.infra import pool_work as work
from tests.infra.reports import Reports

MIB = 1 << 20
A_PARENT = """
import asyncio, sys
from arqsvc.infra.pool import Pool
from tests.infra import pool_work
print("imported", flush=True)
async def main():
    async with Pool(size=2, warm=2) as pool:
        await pool.run(pool_work.hold_the_gil, on_report=lambda step, fraction: print(step, flush=True))
asyncio.run(main())
"""


def fork_server() -> psutil.Process:
    """The newest fork server of this process."""
    [*_, server] = [child for child in psutil.Process().children() if "forkserver.py" in " ".join(child.cmdline())]
    return server


def children_of(server: psutil.Process) -> list[psutil.Process]:
    """Its children, once it has some."""
    while not (children := server.children()):
        time.sleep(0.001)
    return children


def processes(pids: str) -> list[psutil.Process]:
    """The processes that a report names."""
    return [psutil.Process(int(pid)) for pid in pids.split()]


def left(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that do not end, though nobody has to end them any more."""
    return psutil.wait_procs(processes, timeout=20)[1]


@asynccontextmanager
async def waiting_call(pool: Pool, tmp_path: Path) -> AsyncIterator[None]:
    """A call that runs all the while and must end well."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reports = Reports()
    async with asyncio.TaskGroup() as group:
        call = group.create_task(pool.run(work.read_when_written, fifo, on_report=reports))
        await reports.first
        yield
        fifo.write_bytes(b"well")
    assert call.result() == b"well"


async def test_a_result_of_many_megabytes_comes_back_and_so_do_arguments(pool: Pool) -> None:
    data = bytes(range(256)) * 8192
    assert await pool.run(bytes.__add__, data, data) == data + data


async def test_a_child_has_a_session_of_its_own_default_signals_and_one_thread(pool: Pool) -> None:
    assert await pool.run(work.surroundings) == {
        "leads its session": True,
        "SIGTERM": True,
        "SIGCHLD": True,
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "threads": 1,
    }


async def test_every_call_has_a_child_of_its_own(pool: Pool) -> None:
    pids = [await pool.run(os.getpid) for _ in range(4)]
    assert len({os.getpid(), *pids}) == 5


async def test_preloaded_modules_are_there_and_the_servers_clients_are_not() -> None:
    async with Pool(size=1, preload=("colorsys",)) as pool:
        assert await pool.run(work.loaded, "colorsys", "arqsvc.infra", "pytest") == [True, False, False]


async def test_what_a_child_prints_does_not_reach_our_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    async with Pool(size=1) as pool:
        await pool.run(os.system, "echo to stdout; echo to stderr >&2")
    assert capfd.readouterr() == ("", "to stderr\n")


async def test_reports_arrive_in_order_and_before_the_result(pool: Pool) -> None:
    steps = [("read", 0.1), ("two words", 0.5), ("Größe 🧬", 0.75), ("a\nb", 1.0)]
    reports = Reports()
    await pool.run(work.report_all, steps, on_report=reports)
    assert reports.all == [*steps[:3], ("a b", 1.0)]


async def test_a_report_may_be_dropped_but_is_never_torn_and_never_blocks(pool: Pool) -> None:
    reports = Reports()
    assert await pool.run(work.report_many, 8, 5000, on_report=reports) == 40_000
    assert 0 < len(reports.all) <= 40_000
    for letter in "abcdefgh":
        fractions = [fraction for step, fraction in reports.all if step == letter * 64]
        assert fractions == sorted(fractions)
    assert {step for step, _ in reports.all} <= {letter * 64 for letter in "abcdefgh"}


@pytest.mark.parametrize("stop", ["cancel", "timeout", "cancel twice"])
async def test_whoever_stops_waiting_has_killed_the_child_and_its_children(pool: Pool, stop: str) -> None:
    reports = Reports()
    call = asyncio.ensure_future(pool.run(work.hold_the_gil, on_report=reports))
    busy = processes(await reports.first)
    assert len(busy) == 2
    if stop == "timeout":
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await call
    call.cancel()
    if stop == "cancel twice":
        asyncio.get_running_loop().call_soon(call.cancel)
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not any(process.is_running() for process in busy)


async def test_no_more_calls_run_than_the_size_says(pool: Pool, tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(pool.run(work.count_those_running, tmp_path)) for _ in range(12)]
    assert max(call.result() for call in calls) <= 2


async def test_a_call_that_waits_for_its_turn_can_be_cancelled(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    usages: list[Usage] = []
    async with waiting_call(pool, tmp_path), waiting_call(pool, tmp_path / "second"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pool.run(abs, -1, on_usage=usages.append)
    assert usages == [Usage(0, 0.0)]
    assert await pool.run(abs, -1) == 1


@pytest.mark.parametrize(
    ("misdeed", "ending"),
    [
        ((os._exit, 4), ("ChildDied", 4)),
        ((os.abort,), ("ChildDied", -signal.SIGABRT)),
        ((work.segfault,), ("ChildDied", -signal.SIGSEGV)),
        ((work.ignore_sigterm_and_die,), ("ChildDied", -signal.SIGKILL)),
        ((work.close_everything,), ("ChildDied", 1)),
        ((work.write_rubbish_everywhere,), "any"),
        ((work.return_twice,), "any"),
        ((work.leave_a_thread,), None),
        ((os.closerange, 0, 3), None),
    ],
)
async def test_no_other_call_notices_what_a_child_did(
    pool: Pool, tmp_path: Path, misdeed: tuple[Callable[..., Any], ...], ending: object
) -> None:
    async with waiting_call(pool, tmp_path):
        outcome: object
        try:
            outcome = await pool.run(*misdeed)
        except ChildDied as error:
            outcome = ("ChildDied", error.facts["exitcode"])
        except ChildError:
            outcome = "ChildError"
        assert ending in (outcome, "any")
    assert await pool.run(abs, -1) == 1


async def test_a_grandchild_that_was_left_behind_is_gone_when_the_result_is_there(pool: Pool) -> None:
    reports = Reports()
    assert await pool.run(work.leave_a_grandchild, on_report=reports) == "left"
    assert not psutil.pid_exists(int(await reports.first))


async def test_no_call_notices_that_an_idle_child_was_killed(pool: Pool) -> None:
    for child in await asyncio.to_thread(children_of, fork_server()):
        child.kill()
    assert await pool.run(abs, -2) == 2  # it is dead, and the pool has not heard of it
    assert await pool.run(abs, -3) == 3


async def test_when_the_fork_server_is_killed_its_children_die_and_another_is_started(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    reports = Reports()
    call = asyncio.ensure_future(pool.run(work.hold_the_gil, on_report=reports))
    busy = processes(await reports.first)
    fork_server().kill()
    with pytest.raises(ChildDied):
        await call
    assert await asyncio.to_thread(left, busy) == []
    assert await pool.run(abs, -1) == 1
    assert "Fork server died, starting another" in caplog.messages


@pytest.mark.parametrize("first", ["parent", "an idle child", "fork server"])
def test_a_killed_parent_leaves_no_child_no_grandchild_no_fork_server(first: str) -> None:
    command = [sys.executable, "-c", A_PARENT]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == "imported\n"
        busy = processes(parent.stdout.readline())
        [server] = psutil.Process(parent.pid).children()
        family = [server, *server.children(recursive=True)]
        assert set(family) > set(busy)
        parent.send_signal(signal.SIGSTOP)
        if first == "an idle child":  # which the server tells to the parent, who will not read it
            [idle, *_] = set(server.children()) - set(busy)
            idle.kill()
            assert left([idle]) == []
        elif first == "fork server":
            server.kill()
        parent.kill()
        assert parent.stdout.read() == "", "a child has imported the parent's __main__, or the server has failed"
    assert left(family) == []


async def test_a_pool_that_closes_kills_what_runs_and_takes_no_more() -> None:
    async with Pool(size=1) as pool:
        reports = Reports()
        call = asyncio.ensure_future(pool.run(work.hold_the_gil, on_report=reports))
        busy = processes(await reports.first)
    assert not any(process.is_running() for process in busy)
    with pytest.raises(ChildDied):
        await call
    with pytest.raises(RuntimeError, match="not open"):
        await pool.run(abs, -1)


async def test_two_pools_do_not_disturb_each_other(pool: Pool) -> None:
    async with Pool(size=1) as other:
        fork_server().kill()
        assert await pool.run(abs, -1) == 1
        assert await other.run(abs, -2) == 2
    assert await pool.run(abs, -3) == 3


async def test_a_pool_whose_modules_cannot_be_loaded_fails_every_call(capfd: pytest.CaptureFixture[str]) -> None:
    async with Pool(size=1, preload=("no_such_module",)) as pool:
        with pytest.raises(ChildDied):
            await pool.run(abs, -1)
    assert "No module named 'no_such_module'" in capfd.readouterr().err


def test_the_pool_works_on_uvloop_too() -> None:
    async def main() -> None:
        async with Pool(size=2) as pool:
            reports = Reports()
            data = bytes(range(256)) * 8192
            assert await pool.run(bytes.__add__, data, data) == data + data
            with pytest.raises(ChildDied):
                await pool.run(os._exit, 4)
            call = asyncio.ensure_future(pool.run(work.hold_the_gil, on_report=reports))
            busy = processes(await reports.first)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert not any(process.is_running() for process in busy)

    uvloop.run(main())
