"""Queues: paused, resumed, drained, purged, routed; what is said of them; jobs that begin later, or sooner."""

from pathlib import Path
from typing import Any

import pytest

from arqsvc.client import ApiError
from tests.servers import worker_process
from tests.service import Service, open_service
from tests.waiting import pids_in, until


async def queue(service: Service, name: str = "test") -> dict[str, Any]:
    answer = await service.http.get("/queues")
    assert answer.status_code == 200
    (found,) = [one for one in answer.json()["items"] if one["queue"] == name]
    return dict(found)


async def test_a_paused_queue_starts_nothing_until_it_is_resumed(service: Service, tmp_path: Path) -> None:
    running = await service.client.submit("test.wait", {"folder": str(tmp_path)})
    await pids_in(tmp_path)
    answer = await service.http.post("/queues/test/pause")
    assert (answer.status_code, answer.json()["mode"]) == (200, "paused")
    jobs = [await service.client.submit("test.say", {"text": str(number)}) for number in range(3)]
    (tmp_path / "go").touch()
    assert (await service.client.result(running["id"]))["state"] == "succeeded"  # what runs goes on
    told = await queue(service)
    assert (told["mode"], told["queued"], told["running"], told["workers"]) == ("paused", 3, 0, 1)
    assert told["oldest_s"] > 0
    answer = await service.http.post("/queues/test/resume")
    assert answer.json()["mode"] == "open"
    assert [(await service.client.result(job["id"]))["state"] for job in jobs] == ["succeeded"] * 3
    told = await queue(service)
    assert (told["queued"], told["running"]) == (0, 0)
    assert told["in_per_s"] > 0
    assert told["out_per_s"] > 0


async def test_a_queue_that_is_drained_takes_in_nothing_and_works_off_what_is_there(
    api: Service, tmp_path: Path
) -> None:
    job = await api.client.submit("test.say", {"text": "there before"})
    await api.http.post("/queues/test/drain")
    with pytest.raises(ApiError, match="The queue test takes in no new jobs") as refused:
        await api.client.submit("test.say", {"text": "too late"})
    assert refused.value.facts["status"] == 409
    async with worker_process(api.settings):
        assert (await api.client.result(job["id"]))["state"] == "succeeded"
    await api.http.post("/queues/test/resume")
    assert (await api.client.submit("test.say", {"text": "again"}))["state"] == "queued"


async def test_a_purge_cancels_what_waits_and_what_only_that_needed(api: Service, tmp_path: Path) -> None:
    jobs = [await api.client.submit("test.say", {"text": str(number)}) for number in range(5)]
    jobs.append(await api.client.submit("test.say", {"text": "later"}, delay_s=3600))
    jobs.append(await api.client.submit("test.follow_on", {"folder": str(tmp_path)}))
    answer = await api.http.post("/queues/test/purge", json={"reason": "wrong lane"})
    assert (answer.status_code, answer.json()["purged"]) == (200, 10)  # the last one needs three
    for job in jobs:
        ended = await api.client.job(job["id"])
        assert (ended["state"], ended["reason"], ended["cancel_reason"]) == ("cancelled", "purged", "wrong lane")
    assert (await queue(api))["queued"] == 0


async def test_an_unknown_queue_and_a_queue_of_nobody(api: Service) -> None:
    for verb in ("pause", "resume", "drain", "purge"):
        answer = await api.http.post(f"/queues/nowhere/{verb}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = await api.http.post("/jobs/test.say", json={"params": {"text": "x"}, "queue": "nowhere"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/queue")


async def test_kinds_go_where_a_route_sends_them_and_a_job_where_it_says(api: Service) -> None:
    routed = api.settings.model_copy(update={"routes": "test.sa*=quick,test.*=slow", "queues": "quick:2,slow"})
    async with open_service(routed) as service, worker_process(routed):
        job = await service.ended("test.say", {"text": "x"})
        assert (job["queue"], job["state"]) == ("quick", "succeeded")
        job = await service.client.submit("test.say", {"text": "x"}, queue="slow")
        job = await service.client.result(job["id"])
        assert (job["queue"], job["state"]) == ("slow", "succeeded")


async def test_a_job_with_a_delay_begins_when_it_is_due(service: Service) -> None:
    job = await service.client.submit("test.say", {"text": "later"}, delay_s=0.7)
    assert (job["state"], job["reason"]) == ("scheduled", None)
    job = await service.client.result(job["id"])
    assert job["state"] == "succeeded"
    assert job["started_at"] > job["created_at"]


async def test_an_urgent_job_goes_first(api: Service, tmp_path: Path) -> None:
    one = api.settings.model_copy(update={"queues": "test:1"})
    async with worker_process(one):
        first = await api.client.submit("test.wait", {"folder": str(tmp_path)})
        await pids_in(tmp_path)
        jobs = [await api.client.submit("test.say", {"text": str(n)}, priority=n) for n in (1, 5, 10, 5)]
        (tmp_path / "go").touch()
        await api.client.result(first["id"])
        ended = [await api.client.result(job["id"]) for job in jobs]
    order = sorted(ended, key=lambda job: job["started_at"])
    assert [job["result"]["text"] for job in order] == ["10", "5", "5", "1"]
    assert order[1]["id"] < order[2]["id"]


async def test_one_worker_serves_several_queues_each_with_a_concurrency_of_its_own(
    api: Service, tmp_path: Path
) -> None:
    both = api.settings.model_copy(update={"routes": "test.say=quick", "queues": "quick:1,test:2"})
    async with open_service(both) as service, worker_process(both):
        folders = [tmp_path / str(number) for number in range(3)]
        for folder in folders:
            folder.mkdir()
            await service.client.submit("test.wait", {"folder": str(folder)})
        await until(lambda: sum((folder / "pids").exists() for folder in folders) == 2)
        job = await service.ended("test.say", {"text": "a lane of its own"})
        assert job["state"] == "succeeded"
        assert sum((folder / "pids").exists() for folder in folders) == 2
        for folder in folders:
            (folder / "go").touch()
        await until((folders[2] / "pids").exists)
