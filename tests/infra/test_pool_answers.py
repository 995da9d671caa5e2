"""What comes back from a child: errors, memory, usage; each a line of the contract of the pool."""

import asyncio
import inspect
import os
import pickle
from collections.abc import Awaitable, Callable

import pytest

from arqsvc import errors
from arqsvc.errors import ArqsvcError, BadInput, OutOfMemory, Retryable
from arqsvc.infra.pool import ChildError, Pool, Usage
from tests.infra import pool_work as work
from tests.infra.reports import Reports

MIB = 1 << 20


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
