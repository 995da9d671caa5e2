"""Submit, read, list, cancel and retry over HTTP."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from arqsvc.api.keys import KeyKind, create_secret
from tests.service import Service

JOB = {"pinned", "tags", "submitted_by", "parent_id",
    "id", "kind", "state", "reason", "params", "result", "error", "progress", "attempt", "tries", "queue", "priority",
    "created_at", "due_at", "started_at", "finished_at", "cancel_requested_at", "cancel_reason", "needs", "attempts",
    "files", "waiting", "left_s",
}  # fmt: skip


async def submitted(api: Service, kind: str = "test.unserved", **params: Any) -> dict[str, Any]:
    answer = await api.http.post(f"/jobs/{kind}", json={"params": params})
    assert answer.status_code == 202
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    return job


async def test_a_submitted_job_is_answered_whole(api: Service) -> None:
    job = await submitted(api, "test.say", text="x")
    assert [each["code"] for each in job.pop("warnings")] == ["no_worker"]
    assert set(job) == JOB
    assert (job["kind"], job["state"], job["params"], job["queue"]) == ("test.say", "queued", {"text": "x"}, "test")
    assert (job["attempt"], job["tries"], job["attempts"], job["files"]) == (0, 3, [], [])
    assert UUID(job["id"]).version == 7
    assert job["created_at"].endswith("Z")
    assert {**(await api.http.get(f"/jobs/{job['id']}")).json(), "waiting": None} == job


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"params": {}}, "/params/text"),
        ({"params": {"text": 1}}, "/params/text"),
        ({"params": {"text": "x", "a/b": 1}}, "/params/a~1b"),
        ({"params": "x"}, "/params"),
        ({}, "/params"),
        ({"params": {"text": "x"}, "more": 1}, "/more"),
        ({"params": {"text": "x"}, "priority": 0}, "/priority"),
        ({"params": {"text": "x"}, "priority": 11}, "/priority"),
        ({"params": {"text": "x"}, "timeout_s": 0}, "/timeout_s"),
        ({"params": {"text": "x"}, "delay_s": -1}, "/delay_s"),
        ({"params": {"text": "x"}, "queue": "nowhere"}, "/queue"),
        ([], ""),
    ],
)
async def test_a_fault_is_named_with_a_json_pointer(api: Service, body: Any, pointer: str) -> None:
    answer = await api.http.post("/jobs/test.say", json=body)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert problem["errors"][0]["pointer"] == pointer
    assert (problem["status"], problem["instance"]) == (422, "/api/v1/jobs/test.say")


async def test_a_body_that_is_no_json_or_too_long_is_refused(api: Service) -> None:
    assert (await api.http.post("/jobs/test.say", content=b"{")).status_code == 422
    assert (await api.http.post("/jobs/test.say", content=b"[" * 200_000)).status_code == 422
    assert (await api.http.post("/jobs/test.say", content=b" " * 2_000_000)).status_code == 413
    assert (await api.http.post("/jobs/test.say", json={"params": {"text": "a\0b"}})).status_code == 422
    assert (await api.http.post("/jobs/test.say", json={"params": {"text": "a\\u0000b"}})).status_code == 202


async def test_an_unknown_kind_is_answered_with_those_that_exist(api: Service) -> None:
    answer = await api.http.post("/jobs/test.sya", json={"params": {}})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_kind")
    assert "test.say" in answer.json()["detail"]


async def test_a_parameter_that_names_no_file_is_refused_at_once(api: Service) -> None:
    answer = await api.http.post("/jobs/test.read", json={"params": {"file_id": str(uuid4())}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/params/file_id")


async def test_a_list_is_paged_without_gap_or_double_while_jobs_arrive(api: Service) -> None:
    made = [(await submitted(api))["id"] for _ in range(7)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await api.http.get("/jobs", params={"limit": 3, **({"cursor": cursor} if cursor else {})})).json()
        seen += [job["id"] for job in page["items"]]
        await submitted(api)
        if not (cursor := page["next_cursor"]):
            break
    assert seen == made[::-1]


async def test_a_list_is_filtered_by_state_and_kind(api: Service) -> None:
    one, two = await submitted(api), await submitted(api, "test.say", text="x")
    await api.http.post(f"/jobs/{one['id']}/cancel")

    async def found(**query: str) -> list[str]:
        return [job["id"] for job in (await api.http.get("/jobs", params=query)).json()["items"]]

    assert await found(state="cancelled") == [one["id"]]
    assert await found(state="queued,running", kind="test.say") == [two["id"]]
    assert await found(kind="test.unserved", state="queued") == []


@pytest.mark.parametrize("query", ["state=done", "limit=0", "limit=501", "limit=x", "cursor=x", "limit=" + "1" * 5000])
async def test_a_wrong_query_is_refused(api: Service, query: str) -> None:
    answer = await api.http.get(f"/jobs?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


async def test_a_kind_that_is_none_is_refused_in_a_list(api: Service) -> None:
    answer = await api.http.get("/jobs?kind=%00")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/kind")


async def test_a_waiting_job_is_cancelled_at_once_and_can_be_retried(api: Service) -> None:
    job = await submitted(api)
    answer = await api.http.post(f"/jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (
        202,
        "cancelled",
        "cancelled_by_user",
    )
    assert (await api.http.post(f"/jobs/{job['id']}/cancel")).status_code == 409
    answer = await api.http.post(f"/jobs/{job['id']}/retry")
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert answer.json()["cancel_requested_at"] is None
    answer = await api.http.post(f"/jobs/{job['id']}/retry")
    assert (answer.status_code, answer.json()["state"]) == (409, "queued")


async def test_a_retried_job_runs_again_with_all_its_tries(service: Service) -> None:
    job = await service.ended("test.fail", {"how": "retryable", "times": 4})
    assert job["state"] == "failed"
    await service.client.retry(job["id"])
    job = await service.client.result(job["id"])
    assert (job["state"], job["result"], len(job["attempts"])) == ("succeeded", {"text": "attempt 5"}, 5)


@pytest.mark.parametrize("job", ["01890000-0000-7000-8000-000000000000", "nonsense", "../nothing"])
async def test_a_job_that_is_not_there_is_404(api: Service, job: str) -> None:
    for answer in (await api.http.get(f"/jobs/{job}"), await api.http.post(f"/jobs/{job}/cancel")):
        assert answer.status_code in {404, 405}
        assert answer.headers["content-type"] == "application/problem+json"


async def test_another_owner_sees_and_changes_nothing(api: Service) -> None:
    job = await submitted(api)
    other = {"X-API-Key": await create_secret(KeyKind.KEY, project="other", name="other"), "Authorization": ""}
    assert (await api.http.get("/jobs", headers=other)).json()["items"] == []
    assert (await api.http.get(f"/jobs/{job['id']}", headers=other)).status_code == 404
    assert (await api.http.post(f"/jobs/{job['id']}/cancel", headers=other)).status_code == 404
    assert (await api.http.get(f"/jobs/{job['id']}/events", headers=other)).status_code == 404


async def test_a_method_or_path_that_is_none_is_a_problem_document(api: Service) -> None:
    for answer, status in ((await api.http.delete("/jobs"), 405), (await api.http.get("/nothing"), 404)):
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.headers["content-type"] == "application/problem+json"
