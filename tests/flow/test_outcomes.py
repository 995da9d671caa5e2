"""One test a row of the outcome table: what a coroutine does, and what becomes of its job."""

import os
from pathlib import Path
from signal import SIGKILL, SIGTERM
from uuid import UUID

import pytest

from arqsvc.jobs import ledger
from arqsvc.jobs.lease import WorkerRecord
from arqsvc.jobs.ledger import Ended, Ending
from arqsvc.jobs.record import State
from tests.servers import worker_process
from tests.service import Service
from tests.waiting import alive, pids_in, until


async def test_a_job_that_returns_has_succeeded(service: Service) -> None:
    job = await service.ended("test.say", {"text": "hello"})
    assert (job["state"], job["result"], job["error"]) == ("succeeded", {"text": "hello"}, None)
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["succeeded"]
    assert [file["name"] for file in job["files"]] == ["said.txt"]


async def test_a_retryable_error_is_tried_again(service: Service) -> None:
    job = await service.ended("test.fail", {"how": "retryable", "times": 2})
    assert (job["state"], job["result"], job["error"]) == ("succeeded", {"text": "attempt 3"}, None)
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["failed", "failed", "succeeded"]
    assert job["attempts"][0]["error"]["detail"] == "the source sleeps"


async def test_a_retryable_error_fails_once_the_tries_are_used_up(service: Service) -> None:
    job = await service.ended("test.fail", {"how": "retryable"})
    assert (job["state"], job["reason"], len(job["attempts"])) == ("failed", "retryable", 3)


@pytest.mark.parametrize(("how", "code"), [("rejected", "conflict"), ("failed", "bad_input")])
async def test_a_refusal_fails_at_once(service: Service, how: str, code: str) -> None:
    job = await service.ended("test.fail", {"how": how})
    assert (job["state"], job["reason"], job["error"]["code"]) == ("failed", code, code)
    assert len(job["attempts"]) == 1


async def test_a_job_past_its_time_fails_and_its_processes_are_dead(service: Service, tmp_path: Path) -> None:
    job = await service.ended("test.too_slow", {"folder": str(tmp_path)})
    assert (job["state"], job["reason"], job["error"]["timeout_s"]) == ("failed", "timeout", 0.3)
    assert len(job["attempts"]) == 1
    if (tmp_path / "pids").exists():
        assert not any(map(alive, await pids_in(tmp_path)))


async def test_a_cancelled_job_is_cancelled_with_its_processes_and_scratch(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.wait", {"folder": str(tmp_path)})
    pids = await pids_in(tmp_path)
    asked = await service.client.cancel(job["id"])
    assert (asked["state"], asked["cancel_requested_at"] is not None) == ("running", True)
    job = await service.client.result(job["id"])
    assert (job["state"], job["reason"], job["attempts"][0]["outcome"]) == (
        "cancelled",
        "cancelled_by_user",
        "cancelled",
    )
    assert not any(map(alive, pids))
    assert not list(service.settings.scratch.glob("*/*"))


async def test_a_worker_that_stops_gives_its_job_back_without_counting_the_attempt(
    api: Service, tmp_path: Path
) -> None:
    impatient = api.settings.model_copy(update={"drain_s": 0.0})
    async with worker_process(impatient):
        job = await api.client.submit("test.wait", {"folder": str(tmp_path)})
        pids = await pids_in(tmp_path)
    job = await api.client.job(job["id"])
    assert (job["state"], job["reason"], job["attempts"][0]["outcome"]) == ("queued", "worker_stopped", "interrupted")
    assert not any(map(alive, pids))
    (tmp_path / "go").touch()
    async with worker_process(api.settings):
        job = await api.client.result(job["id"])
    assert (job["state"], job["attempt"], job["result"]) == ("succeeded", 2, {"text": "went"})


async def test_a_worker_that_is_told_to_stop_lets_its_job_finish(api: Service, tmp_path: Path) -> None:
    patient = api.settings.model_copy(update={"drain_s": 30.0})
    async with worker_process(patient) as worker:
        job = await api.client.submit("test.wait", {"folder": str(tmp_path)})
        await pids_in(tmp_path)
        os.kill(worker.pid, SIGTERM)
        (tmp_path / "go").touch()
        assert await worker.wait() == 0
    job = await api.client.job(job["id"])
    assert (job["state"], job["attempt"]) == ("succeeded", 1)


async def test_a_bug_is_tried_again_and_says_only_that_it_is_one(service: Service) -> None:
    job = await service.ended("test.fail", {"how": "bug"})
    assert (job["state"], job["reason"], job["error"]["code"]) == ("failed", "internal", "internal")
    assert len(job["attempts"]) == job["tries"] == 3
    assert "secret" not in str(job)


async def test_a_timeout_that_the_coroutine_raised_itself_is_a_bug(service: Service) -> None:
    job = await service.ended("test.fail", {"how": "timeout"})
    assert (job["reason"], len(job["attempts"])) == ("internal", 3)


async def test_a_job_whose_worker_is_killed_runs_elsewhere_with_its_tries_untouched(
    api: Service, tmp_path: Path
) -> None:
    async with worker_process(api.settings) as first:
        job = await api.client.submit("test.wait", {"folder": str(tmp_path)})
        pids = await pids_in(tmp_path)
        os.kill(first.pid, SIGKILL)
        await first.wait()
    await until(lambda: not any(map(alive, pids)))
    (tmp_path / "go").touch()
    async with worker_process(api.settings):
        job = await api.client.result(job["id"])
    assert (job["state"], job["result"]) == ("succeeded", {"text": "went"})
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["lost", "succeeded"]


async def test_a_job_that_costs_three_workers_is_poisoned(api: Service, tmp_path: Path) -> None:
    job = await api.client.submit("test.wait", {"folder": str(tmp_path)})
    for _ in range(3):
        async with worker_process(api.settings) as worker:
            await pids_in(tmp_path)
            (tmp_path / "pids").unlink()
            os.kill(worker.pid, SIGKILL)
            await worker.wait()
    async with worker_process(api.settings):
        job = await api.client.result(job["id"])
    assert (job["state"], job["reason"], len(job["attempts"])) == ("failed", "poisoned", 3)
    assert "3 workers" in job["error"]["detail"]


async def test_a_computation_past_its_memory_fails_and_names_ceiling_and_peak(api: Service) -> None:
    small = api.settings.model_copy(update={"child_memory_bytes": 128 * 2**20})
    async with worker_process(small):
        job = await api.ended("test.eat", {"size_bytes": 2**30})
    assert (job["state"], job["reason"], len(job["attempts"])) == ("failed", "out_of_memory", 1)
    assert (
        job["error"]["ceiling_bytes"]
        == 128 * 2**20
        < job["error"]["peak_bytes"]
        <= job["attempts"][0]["peak_memory_bytes"]
    )


async def test_an_end_that_the_ledger_cannot_hold_is_a_bug_and_no_job_hangs(service: Service) -> None:
    job = await service.ended("test.fail", {"how": "unstorable"})
    assert (job["state"], job["reason"], len(job["attempts"])) == ("failed", "internal", 3)


async def test_a_full_disk_is_tried_again_and_said(service: Service) -> None:
    job = await service.ended("test.fail", {"how": "full"})
    assert (job["state"], job["reason"], len(job["attempts"])) == ("failed", "out_of_space", 3)
    assert "No space left" in job["error"]["detail"]
    assert str(service.settings.scratch) not in job["error"]["detail"]


async def test_what_a_killed_worker_leaves_is_cleared_away(api: Service, tmp_path: Path) -> None:
    async with worker_process(api.settings) as first:
        job = await api.client.submit("test.wait", {"folder": str(tmp_path)})
        await pids_in(tmp_path)
        os.kill(first.pid, SIGKILL)
        await first.wait()
    assert list(api.settings.scratch.glob("*/*"))
    theirs = [api.settings.scratch / "arqsvc-theirs" / "data", api.settings.scratch / "host-1-data" / "data"]
    for foreign in theirs:
        foreign.mkdir(parents=True)
    (tmp_path / "go").touch()
    async with worker_process(api.settings):
        await api.client.result(job["id"])
        await until(lambda: sorted(api.settings.scratch.glob("*/*")) == sorted(theirs))
        assert len(await WorkerRecord.all()) == 1


async def test_what_the_ledger_says_a_live_worker_runs_and_it_does_not_is_given_back(service: Service) -> None:
    await service.ended("test.say", {"text": "the worker is there"})
    job = await service.client.submit("test.unserved", {})
    (worker,) = await WorkerRecord.all()
    assert await ledger.start([(UUID(job["id"]), 1)], worker.id, 20.0)

    async def given_back() -> bool:
        return bool((await service.client.job(job["id"]))["state"] == "queued")

    await until(given_back)
    job = await service.client.job(job["id"])
    assert (job["reason"], job["attempts"][0]["outcome"]) == ("worker_lost", "lost")


async def test_an_attempt_that_the_ledger_has_given_away_is_ended(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.wait", {"folder": str(tmp_path)})
    pids = await pids_in(tmp_path)
    (tmp_path / "pids").unlink()
    assert await ledger.finish([Ended(UUID(job["id"]), 1, Ending("lost", State.QUEUED))])
    await until(lambda: not any(map(alive, pids)))
    await pids_in(tmp_path)
    (tmp_path / "go").touch()
    job = await service.client.result(job["id"])
    assert (job["state"], job["attempt"], job["attempts"][0]["outcome"]) == ("succeeded", 2, "lost")
