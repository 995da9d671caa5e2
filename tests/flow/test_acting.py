"""What users and operators do: end, keep, delete, many at once; drain and stop workers; and the log of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from uuid6 import uuid7

from arqsvc.api.audit import forget_old
from arqsvc.api.bulk import PAGE
from arqsvc.api.keys import KeyKind, Scope, create_secret
from arqsvc.infra.db import connect, rows
from arqsvc.jobs.new import NewJob, insert
from arqsvc.settings import Settings
from tests.servers import worker_process
from tests.service import Service, open_service
from tests.waiting import pids_in, until


async def post(service: Service, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
    answer = await service.http.post(path, json=body)
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def deeds(service: Service, **query: str) -> list[tuple[str, str, str | None, Any]]:
    answer = await service.http.get("/audit", params=query)
    assert answer.status_code == 200, answer.text
    return [(each["actor"], each["action"], each["target"], each["detail"]) for each in answer.json()["items"]]


async def test_a_forced_cancel_gives_no_time_to_clean_up(service: Service, tmp_path: Path) -> None:
    params = {"folder": str(tmp_path), "how": "slow"}
    job = await service.client.submit("test.linger", params, timeout_s=1800)
    await until((tmp_path / "runs").exists)
    body = {"reason": "wrong genome", "mode": "force"}
    assert (await post(service, f"/jobs/{job['id']}/cancel", body, 202))["cancel_reason"] == "wrong genome"
    ended = await service.client.result(job["id"])
    assert ended["state"] == "cancelled"
    assert not (tmp_path / "cleaned").exists()
    assert (await deeds(service, target=job["id"])) == [("test", "jobs.cancel", job["id"], {**body, "outcome": "done"})]


async def test_a_job_is_done_again_with_other_parameters(service: Service) -> None:
    job = await service.client.submit("test.fail", {"how": "failed"}, priority=8, tags={"plate": "7"})
    await service.client.result(job["id"])
    again = await post(service, f"/jobs/{job['id']}/rerun", status=202)
    assert again["id"] != job["id"]
    assert (again["parent_id"], again["params"], again["priority"], again["tags"]) == (
        job["id"], {**job["params"]}, 8, {"plate": "7"},
    )  # fmt: skip
    changed = await post(service, f"/jobs/{job['id']}/rerun", {"params": {"times": 0}, "priority": 3}, 202)
    assert (changed["params"], changed["priority"]) == ({"how": "failed", "times": 0}, 3)
    assert (await service.client.result(changed["id"]))["state"] == "succeeded"
    answer = await service.http.post(f"/jobs/{job['id']}/rerun", json={"params": {"times": "x"}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/params/times")


async def test_a_job_that_has_ended_is_deleted_with_its_files_unless_it_is_pinned(service: Service) -> None:
    job = await service.ended("test.say", {"text": "x"})
    (file,) = job["files"]
    assert (await post(service, f"/jobs/{job['id']}/pin"))["pinned"]
    assert (await service.http.delete(f"/jobs/{job['id']}")).json()["detail"].startswith(f"Job {job['id']} is pinned")
    assert not (await post(service, f"/jobs/{job['id']}/unpin"))["pinned"]
    assert (await service.http.delete(f"/jobs/{job['id']}")).status_code == 204
    for gone in (f"/jobs/{job['id']}", f"/files/{file['id']}", f"/jobs/{job['id']}/events"):
        assert (await service.http.get(gone)).status_code == 404
    assert (await service.http.delete(f"/jobs/{job['id']}")).status_code == 404
    for table in ("attempt", "job_event", "job_log", "file"):
        assert not await rows(f"SELECT 1 FROM {table} WHERE job_id = $1", [job["id"]])
    waiting = await service.client.submit("test.say", {"text": "y"}, delay_s=3600)
    answer = await service.http.delete(f"/jobs/{waiting['id']}")
    assert (answer.status_code, "is scheduled" in answer.json()["detail"]) == (409, True)


async def test_what_a_job_that_has_not_ended_reads_is_not_deleted(service: Service) -> None:
    made = await service.ended("test.say", {"text": "x"})
    (result,) = made["files"]
    sent = (await service.http.post("/files?name=sent.txt", content=b"sent")).json()
    assert (result["job_id"], sent["job_id"]) == (made["id"], None)
    ids = [result["id"], sent["id"]]
    readers = [await service.client.submit("test.read", {"file_id": id_}, delay_s=3600) for id_ in ids]
    for path, why in (
        (f"/jobs/{made['id']}", "a file of it"),
        (f"/files/{sent['id']}", "has not ended reads file"),
        (f"/files/{result['id']}", f"DELETE /api/v1/jobs/{made['id']}"),
    ):
        answer = await service.http.delete(path)
        assert (answer.status_code, why in answer.json()["detail"]) == (409, True)
    delete = {"action": "delete", "filter": {"kind": "test.say"}, "expected": 1}
    assert (await post(service, "/jobs:bulk", delete))["done"] == 0
    for reader in readers:
        await service.client.cancel(reader["id"])
    key = await create_secret(KeyKind.KEY, project="tester", name="some", scopes={Scope.READ, Scope.SUBMIT})
    some = {"X-API-Key": key, "Authorization": ""}
    assert (await service.http.delete(f"/files/{sent['id']}", headers=some)).status_code == 403
    assert (await service.http.delete(f"/files/{sent['id']}")).status_code == 204
    assert (await service.http.get(f"/files/{sent['id']}")).status_code == 404
    assert (await post(service, "/jobs:bulk", delete))["done"] == 1
    assert (await service.http.get("/files")).json()["items"] == []


async def test_many_are_acted_on_only_if_they_are_as_many_as_was_expected(api: Service) -> None:
    jobs = [await api.client.submit("test.say", {"text": str(number)}) for number in range(4)]
    await api.client.submit("test.unserved", {})
    other = {"X-API-Key": await create_secret(KeyKind.KEY, project="other", name="other"), "Authorization": ""}
    theirs = (await api.http.post("/jobs/test.say", json={"params": {"text": "x"}}, headers=other)).json()
    wish = {"action": "cancel", "filter": {"kind": "test.say", "state": ["queued"]}, "reason": "by mistake"}
    seen = await post(api, "/jobs:bulk", {**wish, "dry_run": True})
    assert (seen["matched"], seen["exact"], seen["done"], seen["sample"]) == (4, True, 0, [j["id"] for j in jobs[:3]])
    assert (await post(api, "/jobs:bulk", wish, 422))["errors"][0]["pointer"] == "/expected"
    jobs.append(await api.client.submit("test.say", {"text": "meanwhile"}))
    assert (await post(api, "/jobs:bulk", {**wish, "expected": 4}, 409))["matched"] == 5
    assert (await post(api, "/jobs:bulk", {**wish, "expected": 5}))["done"] == 5
    states = {(await api.client.job(job["id"]))["state"] for job in jobs}
    assert states == {"cancelled"}
    assert (await api.http.get(f"/jobs/{theirs['id']}", headers=other)).json()["state"] == "queued"
    for action, left in (("retry", "queued"), ("cancel", "cancelled"), ("pin", "cancelled"), ("unpin", "cancelled")):
        body = {"action": action, "filter": {"kind": "test.say"}, "expected": 5}
        assert (await post(api, "/jobs:bulk", body))["done"] == 5
        assert {(await api.client.job(job["id"]))["state"] for job in jobs} == {left}
    assert (await post(api, "/jobs:bulk", {"action": "delete", "filter": {"kind": "test.say"}, "expected": 5}))["done"]
    assert len(await api.client.jobs()) == 1
    told = await deeds(api, action="jobs.bulk")
    assert [detail["action"] for _, _, _, detail in told] == ["delete", "unpin", "pin", "cancel", "retry", "cancel"]
    assert {(detail["done"], detail["outcome"]) for _, _, _, detail in told} == {(5, "done")}


async def test_what_breaks_off_halfway_is_told_as_far_as_it_came(api: Service) -> None:
    jobs = [NewJob(id=uuid7(), project="tester", kind="test.say", queue="test", params={}) for _ in range(PAGE + 1)]
    await insert(jobs)
    assert api.settings.database_url
    database = await connect(api.settings.database_url.get_secret_value())
    try:
        await database.execute(
            f"""CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no more''; END';
            CREATE TRIGGER fails BEFORE UPDATE ON job FOR EACH ROW WHEN (OLD.id = '{jobs[-1].id}')
                EXECUTE FUNCTION fail()"""
        )
    finally:
        await database.close()
    body = {"action": "cancel", "filter": {}, "reason": "by mistake", "expected": PAGE + 1}
    await post(api, "/jobs:bulk", body, 503)
    await post(api, "/queues/test/purge", {"reason": "full"}, 503)
    purged, bulk = await deeds(api)
    assert bulk[1:] == ("jobs.bulk", None, {**body, "matched": PAGE + 1, "done": PAGE, "outcome": "source_unavailable"})
    assert purged[1:] == ("queues.purge", "test", {"reason": "full", "purged": 0, "outcome": "source_unavailable"})


async def test_a_purge_is_told_to_each_project_whose_jobs_it_cancelled(api: Service) -> None:
    for project, number in (("tester", 2), ("other", 3)):
        jobs = (NewJob(id=uuid7(), project=project, kind="test.say", queue="test", params={}) for _ in range(number))
        await insert(list(jobs))
    assert (await post(api, "/queues/test/purge", {"reason": "full"}))["purged"] == 5
    detail = {"reason": "full", "outcome": "done"}
    assert await deeds(api) == [("test", "queues.purge", "test", {**detail, "purged": 5})]
    assert await deeds(api, project="other") == [("test", "queues.purge", "test", {**detail, "purged": 3})]


async def test_deeds_say_what_was_set_and_never_a_secret(api: Service) -> None:
    await api.http.put("/projects/lab", json={"jobs_limit": 7})
    hook = {"url": "https://93.184.215.14/hooks/T0K3N?key=T0K3N", "types": ["job.failed"]}
    made = await post(api, "/webhooks", hook, 201)
    await api.http.patch(f"/webhooks/{made['id']}", json={"types": ["job.succeeded"]})
    assert [(action, detail) for _, action, _, detail in await deeds(api)] == [
        ("webhooks.change", {"types": ["job.succeeded"], "outcome": "done"}),
        (
            "webhooks.create",
            {"webhook": made["id"], "host": "93.184.215.14", "types": hook["types"], "outcome": "done"},
        ),
        ("projects.bound", {"jobs_limit": 7, "files_limit_bytes": None, "outcome": "done"}),
    ]


async def test_deeds_are_forgotten_after_so_many_days(api: Service) -> None:
    await rows(
        """WITH old AS (INSERT INTO audit (at, project, actor, action)
            SELECT now() - make_interval(days => day), 'tester', 'somebody', 'day.' || day
            FROM unnest('{402,401,399,1}'::int[]) day RETURNING id) SELECT id FROM old"""
    )
    await forget_old(400)
    assert [action for _, action, _, _ in await deeds(api)] == ["day.1", "day.399"]


async def test_a_retry_is_taken_in_as_a_new_job_is(settings: Settings) -> None:
    async with open_service(settings.model_copy(update={"jobs_per_project": 1})) as api:
        job = await api.client.submit("test.say", {"text": "x"})
        await api.client.cancel(job["id"])

        async def another() -> bool:
            return (await api.http.post("/jobs/test.unserved", json={"params": {}})).status_code == 202

        await until(another)
        many = {"action": "retry", "filter": {"kind": "test.say"}, "expected": 1}
        assert (await post(api, f"/jobs/{job['id']}/retry", status=429))["code"] == "quota_exceeded"
        assert (await post(api, "/jobs:bulk", many, 429))["code"] == "quota_exceeded"
        await api.client.change_queue("test", "drain")
        assert "takes in no new jobs" in (await post(api, f"/jobs/{job['id']}/retry", status=409))["detail"]
        assert (await post(api, "/jobs:bulk", many))["done"] == 0
        await api.client.change_queue("test", "resume")
        assert (await api.http.put("/projects/tester", json={"jobs_limit": 2})).status_code == 200

        async def retried() -> bool:
            answer = await api.http.post("/jobs:bulk", json=many)
            return answer.status_code == 200 and answer.json()["done"] == 1

        await until(retried)
        assert (await api.client.job(job["id"]))["state"] == "queued"


async def test_a_drained_worker_begins_nothing_and_a_stopped_one_ends(api: Service, tmp_path: Path) -> None:
    async with worker_process(api.settings) as process:
        running = await api.client.submit("test.wait", {"folder": str(tmp_path)})
        await pids_in(tmp_path)
        (worker,) = (await api.http.get("/workers")).json()["items"]
        assert (worker["queues"], worker["running"], worker["wish"]) == (["test"], 1, None)
        path = f"/workers/{worker['id']}"
        assert (await post(api, f"{path}/drain", status=202))["wish"] == "drain"
        waiting = await api.client.submit("test.say", {"text": "x"})
        (tmp_path / "go").touch()
        assert (await api.client.result(running["id"]))["state"] == "succeeded"
        assert (await api.client.job(waiting["id"]))["state"] == "queued"
        await post(api, f"{path}/resume", status=202)
        assert (await api.client.result(waiting["id"]))["state"] == "succeeded"
        await post(api, f"{path}/stop", status=202)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
        assert (await api.http.get("/workers")).json() == {"items": []}
    assert (await api.http.post("/workers/nobody/drain")).status_code == 404
    assert [action for _, action, _, _ in await deeds(api)] == ["workers.stop", "workers.resume", "workers.drain"]


async def test_who_is_no_admin_sees_the_deeds_of_his_project_only(api: Service) -> None:
    await post(api, "/queues/test/pause")
    other = {"Authorization": ""}
    other["X-API-Key"] = await create_secret(KeyKind.KEY, project="other", name="other", scopes={Scope.READ})
    assert (await api.http.get("/audit", headers=other)).json()["items"] == []
    assert (await api.http.get("/audit?project=tester", headers=other)).status_code == 403
    assert (await api.http.get("/audit?project=*")).json()["items"][0]["action"] == "queues.pause"


@pytest.mark.parametrize(("scope", "status"), [(Scope.CANCEL, 409), (Scope.SUBMIT, 403)])
async def test_a_bulk_action_needs_the_scope_of_the_action(api: Service, scope: Scope, status: int) -> None:
    key = await create_secret(KeyKind.KEY, project="tester", name="some", scopes={Scope.READ, scope})
    body = {"action": "cancel", "filter": {}, "expected": 1}
    answer = await api.http.post("/jobs:bulk", json=body, headers={"X-API-Key": key, "Authorization": ""})
    assert answer.status_code == status
