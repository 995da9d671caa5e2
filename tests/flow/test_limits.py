"""Limits of jobs that run at a time, or start in a time, on all workers together; retries that end by the clock."""

import asyncio
import os
from pathlib import Path
from signal import SIGKILL
from typing import Any

from tests.servers import worker_process
from tests.service import Service
from tests.waiting import until


async def submitted(service: Service, number: int, kind: str, **params: Any) -> list[str]:
    return [str((await service.client.submit(kind, params))["id"]) for _ in range(number)]


async def reasons(service: Service, jobs: list[str]) -> list[tuple[str, str | None]]:
    found = [await service.client.job(job) for job in jobs]
    return sorted((job["state"], job["reason"]) for job in found)


async def test_no_more_run_at_a_time_than_may_whatever_the_number_of_workers(api: Service, tmp_path: Path) -> None:
    async with worker_process(api.settings), worker_process(api.settings):
        jobs = await submitted(api, 6, "test.one_of_two", folder=str(tmp_path), key="a")
        others = await submitted(api, 1, "test.one_of_two", folder=str(tmp_path), key="b")
        await until(lambda: len(list(tmp_path.glob("runs-*"))) == 3)

        async def settled() -> bool:
            return await reasons(api, jobs) == [("blocked", "limited")] * 4 + [("running", None)] * 2

        await until(settled)
        say = await api.ended("test.say", {"text": "those who wait hold no slot"})
        assert say["state"] == "succeeded"
        (tmp_path / "go").touch()
        ended = [await api.client.result(job) for job in (*jobs, *others)]
    assert all(job["state"] == "succeeded" for job in ended)
    assert all(len(job["attempts"]) == 1 for job in ended)
    assert max(int(job["result"]["text"]) for job in ended) <= 3  # two of key a, and the one of key b


async def test_a_limited_job_that_waits_can_be_cancelled_and_one_whose_worker_died_gives_its_place_back(
    api: Service, tmp_path: Path
) -> None:
    async with worker_process(api.settings) as worker:
        first = await submitted(api, 2, "test.one_of_two", folder=str(tmp_path), key="a")
        await until(lambda: len(list(tmp_path.glob("runs-*"))) == 2)
        waiting = await submitted(api, 2, "test.one_of_two", folder=str(tmp_path), key="a")

        async def limited() -> bool:
            return await reasons(api, waiting) == [("blocked", "limited")] * 2

        await until(limited)
        assert (await api.client.cancel(waiting[0]))["state"] == "cancelled"
        os.kill(worker.pid, SIGKILL)
        await worker.wait()
    (tmp_path / "go").touch()
    async with worker_process(api.settings):
        for job in (*first, waiting[1]):
            assert (await api.client.result(job))["state"] == "succeeded"


async def test_a_limited_job_that_was_cancelled_runs_when_it_is_retried(service: Service, tmp_path: Path) -> None:
    (job,) = await submitted(service, 1, "test.one_of_two", folder=str(tmp_path), key="a")
    await until(lambda: len(list(tmp_path.glob("runs-*"))) == 1)
    await service.client.cancel(job)
    assert (await service.client.result(job))["state"] == "cancelled"
    (tmp_path / "go").touch()
    await service.client.retry(job)
    assert (await service.client.result(job))["state"] == "succeeded"


async def test_no_more_start_in_a_time_than_may(service: Service) -> None:
    jobs = await submitted(service, 5, "test.paced")
    loop, times = asyncio.get_running_loop(), []
    for job in jobs:
        assert (await service.client.result(job))["state"] == "succeeded"
        times.append(loop.time())
    starts = sorted([(await service.client.job(job))["started_at"] for job in jobs])
    assert len(set(starts)) > 1
    assert times[-1] - times[0] > 1.0  # two at once, then one every half second


async def test_retries_end_by_the_clock_too(service: Service) -> None:
    job = await service.ended("test.retry_for", {})
    assert (job["state"], job["reason"]) == ("failed", "retryable")
    assert 2 <= len(job["attempts"]) < job["tries"]
