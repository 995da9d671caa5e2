"""The contract of the pool, a test a line, with real children that really misbehave."""

import asyncio
import gc
import inspect
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from arqsvc import errors
from arqsvc.errors import ArqsvcError, BadInput, ChildDied, OutOfMemory, Retryable
from arqsvc.infra.pool import ChildError, Pool, Usage
from tests.infra import pool_work as work

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


def mine() -> set[psutil.Process]:
    """Every process below this one, but for the suite's PostgreSQL, whose helpers come and go."""
    return {child for child in psutil.Process().children(recursive=True) if child.name() != "postgres"}


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


class Reports:
    """Takes reports; `first` is the step of the first one."""

    def __init__(self) -> None:
        self.all: list[tuple[str, float]] = []
        self.first: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def __call__(self, step: str, fraction: float) -> None:
        self.all.append((step, fraction))
        if not self.first.done():
            self.first.set_result(step)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    """A pool of two, which leaves neither process nor descriptor behind."""
    gc.collect()
    processes, descriptors = mine(), psutil.Process().num_fds()
    async with Pool(size=2, warm=1) as pool:
        yield pool
    assert mine() <= processes
    assert psutil.Process().num_fds() == descriptors


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


async def test_every_error_of_ours_crosses_as_itself(pool: Pool) -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ArqsvcError)]
    assert len(kinds) > 15
    for kind in kinds:
        with pytest.raises(kind) as caught:
            await pool.run(work.raise_, kind("value 3 is over 2; take 1", reason="over", value=3))
        assert type(caught.value) is kind
        assert caught.value.detail == "value 3 is over 2; take 1"
        assert caught.value.facts == {"reason": "over", "value": 3}


async def test_an_error_brings_its_facts_and_the_childs_traceback(pool: Pool) -> None:
    with pytest.raises(Retryable) as caught:
        await pool.run(work.not_ready)
    assert (caught.value.delay_s, caught.value.facts) == (4.5, {"queue": "analysis"})
    [note] = caught.value.__notes__
    assert "in not_ready\n    raise Retryable(" in note


@pytest.mark.parametrize(
    "error", [KeyError("k"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), OSError(28, "full")]
)
async def test_an_error_of_others_crosses_as_itself(pool: Pool, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await pool.run(work.raise_, error)
    assert str(caught.value) == str(error)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("keyword", "tests.infra.pool_work.NeedsKeyword: value is 3"),
        ("twice", "tests.infra.pool_work.SaysTwice: again: no"),
        ("lambda", r"ValueError: \('in a lambda', <function"),
        ("exit", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt: Ctrl-C"),
        ("cancelled", "CancelledError: stop"),
        ("iteration", "StopIteration: end"),
    ],
)
async def test_an_error_that_cannot_cross_is_replaced_by_one_that_names_it(pool: Pool, name: str, message: str) -> None:
    with pytest.raises(ChildError, match=message) as caught:
        await pool.run(work.raise_by_name, name)
    assert "in raise_by_name" in caught.value.__notes__[0]


@pytest.mark.parametrize("name", ["lambda", "thread", "only"])
async def test_a_result_that_cannot_cross_is_an_error(pool: Pool, name: str) -> None:
    with pytest.raises(ChildError, match=r"cannot be (un)?pickled"):
        await pool.run(work.unpicklable, name)


async def test_a_function_that_cannot_be_sent_is_refused_at_once(pool: Pool) -> None:
    with pytest.raises((AttributeError, pickle.PicklingError)):
        await pool.run(lambda: 0)


async def test_a_call_over_its_memory_ceiling_is_killed_and_told_ceiling_and_peak(pool: Pool) -> None:
    with pytest.raises(OutOfMemory, match=r"ceiling of 100 MiB; it had [0-9]+ MiB") as caught:
        await pool.run(work.fill_and_stay, 150 * MIB, memory_limit_bytes=100 * MIB)
    assert caught.value.facts["ceiling_bytes"] == 100 * MIB
    assert caught.value.facts["peak_bytes"] > 100 * MIB


async def test_a_call_below_its_memory_ceiling_is_left_alone(pool: Pool) -> None:
    assert await pool.run(work.fill, 20 * MIB, memory_limit_bytes=1000 * MIB) == 20 * MIB


async def test_a_memory_error_is_out_of_memory_where_there_is_a_ceiling(pool: Pool) -> None:
    with pytest.raises(OutOfMemory):
        await pool.run(bytearray, 1 << 60, memory_limit_bytes=100 * MIB)
    with pytest.raises(MemoryError):
        await pool.run(bytearray, 1 << 60)


async def test_the_usage_of_a_call_that_ends_well_is_told(pool: Pool) -> None:
    usages: list[Usage] = []
    await pool.run(work.burn, 0.2, on_usage=usages.append)
    await pool.run(work.fill, 100 * MIB, on_usage=usages.append)
    burnt, filled = usages
    assert burnt.cpu_s >= 0.2
    assert filled.peak_memory_bytes > 100 * MIB > burnt.peak_memory_bytes > MIB


@pytest.mark.parametrize("burn", [work.burn, work.burn_in_a_grandchild])
async def test_the_usage_of_a_killed_call_is_told_with_that_of_its_children(
    pool: Pool, burn: Callable[..., None]
) -> None:
    usages: list[Usage] = []
    reports = Reports()
    call = asyncio.ensure_future(pool.run(burn, 0.2, on_report=reports, on_usage=usages.append))
    await reports.first
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    [usage] = usages
    assert usage.cpu_s >= 0.2
    assert usage.peak_memory_bytes > MIB


@pytest.mark.parametrize(
    "call",
    [
        lambda pool, **more: pool.run(os._exit, 4, **more),
        lambda pool, **more: pool.run(work.raise_, BadInput("no"), **more),
        lambda pool, **more: pool.run(work.fill_and_stay, 150 * MIB, memory_limit_bytes=100 * MIB, **more),
    ],
)
async def test_the_usage_of_a_call_that_fails_is_told_once(pool: Pool, call: Callable[..., Awaitable[None]]) -> None:
    usages: list[Usage] = []
    with pytest.raises(ArqsvcError):
        await call(pool, on_usage=usages.append)
    [usage] = usages
    assert usage.peak_memory_bytes > MIB
    assert usage.cpu_s > 0


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
