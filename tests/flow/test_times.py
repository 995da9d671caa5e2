"""How a run is ended from outside, and what the job hears of it: soft and hard limits, silence, a stop, a user."""

import os
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from tests.servers import worker_process
from tests.service import Service
from tests.waiting import pids_in, until


async def test_past_its_soft_limit_a_job_may_clean_up_and_says_which_limit(service: Service, tmp_path: Path) -> None:
    job = await service.ended("test.linger", {"folder": str(tmp_path), "how": "clean"})
    assert (job["state"], job["reason"], len(job["attempts"])) == ("failed", "timeout", 1)
    assert (job["error"]["limit_s"], job["error"]["timeout_s"]) == (0.5, 30.0)
    assert (tmp_path / "cleaned").read_text() == "timeout"


async def test_past_its_soft_limit_a_job_may_return_what_it_has(service: Service, tmp_path: Path) -> None:
    job = await service.ended("test.linger", {"folder": str(tmp_path), "how": "return"})
    assert (job["state"], job["result"]) == ("succeeded", {"text": "as far as it came"})


async def test_a_job_has_a_limit_of_its_own(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.linger", {"folder": str(tmp_path), "how": "clean"}, timeout_s=6.0)
    job = await service.client.result(job["id"])
    assert (job["error"]["limit_s"], job["error"]["timeout_s"]) == (0.1, 6.0)


async def test_a_coroutine_that_does_not_end_is_given_up_and_can_do_nothing_more(api: Service, tmp_path: Path) -> None:
    hasty = api.settings.model_copy(update={"cancel_grace_s": 0.2})
    async with worker_process(hasty) as worker:
        job = await api.client.submit("test.linger", {"folder": str(tmp_path), "how": "stay"}, timeout_s=0.6)
        ended = await api.client.result(job["id"])
        assert (ended["state"], ended["reason"], ended["error"]["limit_s"]) == ("failed", "timeout", 0.6)
        other = await api.ended("test.say", {"text": "the worker goes on"})
        assert other["state"] == "succeeded"
        await until((tmp_path / "refused").exists)
        assert "this attempt is over" in (tmp_path / "refused").read_text()
        again = await api.client.job(job["id"])
        assert (again["state"], again["files"]) == ("failed", [])
        os.kill(worker.pid, SIGTERM)
        assert await worker.wait() == 1  # it leaves behind what does not end


async def test_a_cancelled_job_hears_why_and_the_reason_is_kept(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.linger", {"folder": str(tmp_path), "how": "clean"}, timeout_s=600.0)
    await until((tmp_path / "runs").exists)
    asked = await service.client.cancel(job["id"], "wrong genome")
    assert asked["cancel_reason"] == "wrong genome"
    job = await service.client.result(job["id"])
    assert (job["state"], job["reason"], job["cancel_reason"]) == ("cancelled", "cancelled_by_user", "wrong genome")
    assert (tmp_path / "cleaned").read_text() == "cancelled"


async def test_a_job_that_tells_no_progress_is_ended(service: Service, tmp_path: Path) -> None:
    job = await service.ended("test.silent", {"folder": str(tmp_path), "times": 3})
    assert (job["state"], job["reason"], job["error"]["no_progress_s"]) == ("failed", "no_progress", 0.6)
    assert job["progress"]["done"] == 3
    assert "Retry it" in job["error"]["detail"]


async def test_a_coroutine_that_raises_a_cancel_of_its_own_is_a_bug_and_does_not_go_round(service: Service) -> None:
    job = await service.ended("test.fail", {"how": "cancel"})
    assert (job["state"], job["reason"], len(job["attempts"])) == ("failed", "internal", 3)


@pytest.mark.parametrize("how", ["nothing", "no result"])
async def test_a_job_that_returns_what_is_no_result_is_a_bug(service: Service, how: str) -> None:
    job = await service.ended("test.fail", {"how": how})
    assert (job["state"], job["reason"], len(job["attempts"])) == ("failed", "internal", 3)


@pytest.mark.parametrize("how", ["no JSON", "no number"])
async def test_facts_and_progress_that_are_no_json_end_their_job_and_hold_up_no_other(
    service: Service, how: str
) -> None:
    job = await service.ended("test.fail", {"how": how})
    assert (job["state"], job["reason"]) == ("failed", "bad_input")
    assert (await service.ended("test.say", {"text": "goes on"}))["state"] == "succeeded"


async def test_a_job_whose_worker_stops_goes_on_from_its_checkpoint(api: Service, tmp_path: Path) -> None:
    impatient = api.settings.model_copy(update={"drain_s": 0.0})
    async with worker_process(impatient):
        job = await api.client.submit("test.count", {"folder": str(tmp_path), "upto": 10})
        await until(lambda: len(list(tmp_path.glob("did-*"))) == 4)
    (tmp_path / "go").touch()
    stopped = await api.client.job(job["id"])
    assert (stopped["state"], stopped["reason"]) == ("queued", "worker_stopped")
    async with worker_process(api.settings):
        job = await api.client.result(job["id"])
    assert (job["state"], job["result"]) == ("succeeded", {"text": "10"})
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["interrupted", "succeeded"]
    assert sorted(path.name for path in tmp_path.glob("did-*")) == sorted(
        f"did-{number}-{1 if number < 4 else 2}" for number in range(10)
    )


async def test_a_second_signal_ends_a_worker_at_once_and_burns_no_try(api: Service, tmp_path: Path) -> None:
    patient = api.settings.model_copy(update={"drain_s": 600.0})
    async with worker_process(patient) as worker:
        job = await api.client.submit("test.wait", {"folder": str(tmp_path)})
        await pids_in(tmp_path)
        os.kill(worker.pid, SIGTERM)
        other = await api.client.submit("test.say", {"text": "nobody takes it"})
        os.kill(worker.pid, SIGTERM)
        assert await worker.wait() == 0
    job = await api.client.job(job["id"])
    assert (job["state"], job["reason"], job["attempts"][0]["outcome"]) == ("queued", "worker_stopped", "interrupted")
    assert (await api.client.job(other["id"]))["attempt"] == 0


async def test_a_worker_whose_event_loop_hangs_ends_itself_and_its_jobs_go_on(api: Service, tmp_path: Path) -> None:
    watched = api.settings.model_copy(update={"hung_s": 1.0})
    async with worker_process(watched) as worker:
        job = await api.client.submit("test.hang", {"folder": str(tmp_path)})
        assert await worker.wait() == 128 + SIGKILL
    async with worker_process(watched):
        job = await api.client.result(job["id"])
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["lost", "succeeded"]
