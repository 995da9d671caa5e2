"""The testing kit: a job through JSON and the real runner, and a clock that can be set."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from arqsvc.errors import Retryable
from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import Limit, Params, Retries, job
from arqsvc.jobs.record import State
from arqsvc.testing import Bench, Servers, open_bench
from tests.flow.kinds import Eat, Fail, Follow, Read, Said, Say, Step, TooSlow


class Alone(Params, kind="test.alone", result=Said, retries=Retries(tries=9, retry_for_s=100)):
    """Start once in an hour; fail while it is new."""

    fail: bool = False

    def limits(self) -> tuple[Limit, ...]:
        return (Limit("alone", starts=1, per_s=3600),) if not self.fail else ()


@job(Alone)
async def alone(ctx: JobContext, params: Alone) -> Said:
    if params.fail:
        raise Retryable("not yet", delay_s=60)
    return Said(text="once")


class Nobody(Params, kind="test.nobody", result=Said):
    """Be done by nobody."""


@pytest.fixture
async def bench(redis_url: str, database_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench on the servers of the suite."""
    async with open_bench(Servers(redis_url, database_url), tmp_path / "bench") as bench:
        yield bench


async def test_what_became_of_a_job(bench: Bench) -> None:
    done = await bench.perform(Say(text="hello"))
    assert (done.state, done.reason, done.result, done.error) == (State.SUCCEEDED, None, Said(text="hello"), None)
    assert [attempt.outcome for attempt in done.attempts] == ["succeeded"]
    assert {name: path.read_text() for name, path in done.files.items()} == {"said.txt": "hello"}
    assert (await bench.perform(Step())).steps == ("first", "second", "third")


async def test_a_job_reads_a_file_that_was_uploaded(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text("from a file")
    done = await bench.perform(Read(file_id=await bench.upload(tmp_path / "input.txt")))
    assert done.result == Said(text="from a file")


async def test_a_job_that_needs_others_is_performed_after_them(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    assert (await bench.perform(Follow(folder=tmp_path))).result == Said(text="needed shared")
    failed = await bench.perform(Follow(folder=tmp_path, how="fail"))
    assert (failed.state, failed.reason, failed.attempts) == (State.FAILED, "needed_failed", ())


async def test_time_goes_forward_and_what_is_due_is_tried_again(bench: Bench) -> None:
    done = await bench.perform(Fail(how="retryable", times=2))
    for tried in (1, 2):
        assert (done.state, done.reason, len(done.attempts)) == (State.SCHEDULED, "retryable", tried)
        assert done.error == done.attempts[-1].error
        assert done.due_in_s
        await bench.clock.forward(60)
        done = await bench.go_on(done)
    assert (done.state, done.result) == (State.SUCCEEDED, Said(text="attempt 3"))


async def test_what_is_not_due_waits(bench: Bench) -> None:
    done = await bench.perform(Alone(fail=True))
    assert done.due_in_s
    assert 50 < done.due_in_s <= 60
    assert (await bench.go_on(done)).state == State.SCHEDULED
    await bench.clock.forward(61)
    done = await bench.go_on(done)
    assert (done.state, len(done.attempts)) == (State.FAILED, 2), "its retries end 100 s after its first start"


async def test_a_clock_that_is_set_lets_a_limit_pass(bench: Bench) -> None:
    await bench.perform(Alone())
    second = await bench.perform(Alone())
    assert (second.state, second.reason) == (State.BLOCKED, "limited")
    tomorrow = bench.clock.now() + timedelta(days=1)
    await bench.clock.set(tomorrow)
    assert timedelta() <= bench.clock.now() - tomorrow < timedelta(minutes=1)
    assert (await bench.go_on(second)).state == State.SUCCEEDED
    with pytest.raises(ValueError, match="time goes forward only"):
        await bench.clock.set(datetime.now(UTC))


async def test_a_bug_shows_its_traceback(bench: Bench) -> None:
    done = await bench.perform(Fail(how="bug"))
    assert (done.state, done.reason) == (State.SCHEDULED, "internal")
    assert "a secret of the programmer" in (done.attempts[0].traceback or "")
    assert "secret" not in str(done.error)


async def test_limits_of_time_and_memory_hold(bench: Bench, tmp_path: Path) -> None:
    assert (await bench.perform(TooSlow(folder=tmp_path))).reason == "timeout"
    assert (await bench.perform(Eat(size_bytes=1))).state == State.SUCCEEDED


async def test_a_kind_without_a_coroutine_is_named(bench: Bench) -> None:
    with pytest.raises(LookupError, match=r"No coroutine does test\.nobody"):
        await bench.perform(Nobody())


async def test_without_pytest_it_starts_servers_of_its_own() -> None:
    async with asyncio.timeout(60), open_bench() as bench:
        assert (await bench.perform(Say(text="alone"))).state == State.SUCCEEDED
