"""A job in the place of another: what that frees is room for the new one; a refusal changes nothing."""

from typing import Any
from uuid import UUID

import httpx

from arqsvc.infra.db import rows
from arqsvc.jobs.new import NewJob, insert
from arqsvc.jobs.record import JobRecord
from arqsvc.settings import Settings
from tests.service import Service, open_service
from tests.waiting import until

SAY: dict[str, Any] = {"params": {"text": "x"}}


async def post(api: Service, body: Any, kind: str = "test.say") -> httpx.Response:
    return await api.http.post(f"/jobs/{kind}", json=body)


async def states() -> list[str]:
    """The states of all jobs, in the order in which they were submitted."""
    return [job.state.value for job in await JobRecord.all().order_by("created_at", "id")]


async def queued(api: Service) -> int:
    queues = (await api.http.get("/queues")).json()["items"]
    return sum(queue["queued"] for queue in queues if queue["queue"] == "test")


async def test_a_job_takes_the_place_of_the_one_that_it_replaces(settings: Settings) -> None:
    for bound, refusal in (("jobs_per_project", 429), ("queue_limit", 503)):
        async with open_service(settings.model_copy(update={bound: 2})) as api:
            await api.client.purge("test")
            body = {**SAY, "dedupe": {"key": "w", "mode": "replace"}}
            assert [(await post(api, SAY)).status_code, (await post(api, body)).status_code] == [202, 202]
            for _ in range(4):
                assert (await post(api, {**SAY, "dedupe": {"key": "other", "mode": "replace"}})).status_code == refusal
                assert (await post(api, SAY)).status_code == refusal
                assert (await post(api, body)).status_code == 202
            waiting = await JobRecord.filter(state="queued")
            assert sorted(str(job.dedupe) for job in waiting) == ["None", "w"]

            await api.client.cancel(str(waiting[0].id))

            async def accepted(api: Service = api) -> bool:
                return (await post(api, SAY)).status_code == 202

            await until(accepted)
            assert (await post(api, SAY)).status_code == refusal
            assert (await post(api, body)).status_code == (202 if waiting[0].dedupe is None else refusal)


async def test_a_job_that_replaces_another_and_is_refused_leaves_it_as_it_was(settings: Settings) -> None:
    async with open_service(settings.model_copy(update={"jobs_per_project": 3, "queue_limit": 3})) as api:
        body = {"params": {"folder": "/nowhere"}, "dedupe": {"key": "w", "mode": "replace"}}
        first = (await post(api, body, "test.follow")).json()
        second = (await post(api, body, "test.follow")).json()  # what it needs makes room, too
        assert await states() == ["cancelled"] * 3 + ["queued"] * 2 + ["blocked"]
        assert (await api.client.job(first["id"]))["cancel_reason"] == f"replaced by job {second['id']}"
        assert await queued(api) == 2

        await JobRecord.filter(id=second["needs"][0]["id"]).update(state="running")
        third = (await post(api, body, "test.follow")).json()
        assert (third["code"], third["open"], third["limit"]) == ("quota_exceeded", 3, 3)
        assert await states() == ["cancelled"] * 3 + ["running", "queued", "blocked"]
        (events,) = await rows("SELECT count(*) AS n FROM job_event WHERE job_id = $1", [UUID(second["id"])])
        assert (events["n"], await queued(api)) == (1, 1)

        await api.http.put("/projects/tester", json={"jobs_limit": 4})

        async def replaced() -> bool:
            return (await post(api, body, "test.follow")).status_code == 202

        await until(replaced)
        assert await states() == ["cancelled"] * 3 + ["running", *["cancelled"] * 2, *["queued"] * 2, "blocked"]
        assert (await JobRecord.get(id=second["needs"][0]["id"])).cancel_requested_at

    async with open_service(settings.model_copy(update={"queue_limit": 2})) as api:  # two are queued there
        body = {**SAY, "dedupe": {"key": "w", "mode": "replace"}}
        late = NewJob(
            id=UUID(int=7),
            project="tester",
            kind="test.say",
            queue="test",
            params=SAY["params"],
            delay_s=60,
            dedupe="w",
        )
        await insert([late])
        assert (await post(api, body)).json()["code"] == "queue_full"
        assert (await JobRecord.get(id=UUID(int=7))).state == "scheduled"
