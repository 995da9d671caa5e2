"""Submitting: options, idempotency, dedupe, batches, waits, and what is said of the queues."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from arqsvc.api.idempotency import forget_old
from arqsvc.api.keys import KeyKind, create_secret
from arqsvc.infra.db import rows
from arqsvc.jobs.record import JobRecord
from arqsvc.settings import Settings
from tests.service import Service, open_service
from tests.waiting import until

LONG_S = 70.0
"""For how long a client waits for an answer that waits."""
SAY: dict[str, Any] = {"params": {"text": "x"}}


async def post(service: Service, body: Any, kind: str = "test.say", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await service.http.post(f"/jobs/{kind}", json=body, headers=named, timeout=LONG_S)


async def show(service: Service, job: str, wait_s: str) -> httpx.Response:
    return await service.http.get(f"/jobs/{job}?wait={wait_s}", timeout=LONG_S)


async def jobs() -> int:
    return await JobRecord.all().count()


async def keys(**values: Any) -> None:
    """Change what is kept of all keys."""
    for name, value in values.items():
        await rows(f"WITH kept AS (UPDATE idempotency SET {name} = {value} RETURNING digest) SELECT digest FROM kept")


async def test_a_job_has_the_options_that_were_given(api: Service) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    hook = {"url": "https://93.184.215.14/hook", "types": ["job.failed"]}
    given = {**SAY, "run_at": at.astimezone().isoformat(), "tags": {"run": "7", "lab.x": "å"}, "webhook": hook}
    answer = await post(api, given)
    job = answer.json()
    assert (answer.status_code, job["state"], job["tags"]) == (202, "scheduled", given["tags"])
    assert datetime.fromisoformat(job["due_at"]) == at
    assert job["submitted_by"] == "test"
    row = await JobRecord.get(id=job["id"])
    assert row.webhook == hook
    past = (await post(api, {**SAY, "run_at": "0001-01-01T00:00:00+14:00"})).json()
    assert (past["state"], past["due_at"]) == ("queued", None)
    short = (await post(api, {**SAY, "webhook": hook["url"], "delay_s": 60})).json()
    assert short["state"] == "scheduled"
    assert (await JobRecord.get(id=short["id"])).webhook["types"] == ["job.succeeded", "job.failed", "job.cancelled"]
    follow = (await post(api, {"params": {"folder": "/x"}, "tags": {"a": "b"}}, "test.follow")).json()
    for need in follow["needs"]:
        needed = await api.client.job(need["id"])
        assert (needed["tags"], needed["submitted_by"]) == ({"a": "b"}, "test")


FAR = (datetime.now(UTC) + timedelta(days=367)).isoformat()


async def test_a_wrong_option_is_refused_with_its_place(api: Service) -> None:
    for option, pointer in (
        ({"run_at": "2027-01-01T00:00:00"}, "/run_at"),
        ({"run_at": 1_900_000_000}, "/run_at"),
        ({"run_at": FAR}, "/run_at"),
        ({"run_at": "2027-01-01T00:00:00Z", "delay_s": 1}, "/run_at"),
        ({"tags": {"a b": "x"}}, "/tags/a b/[key]"),
        ({"tags": {"a": "x" * 256}}, "/tags/a"),
        ({"tags": {f"t{n}": "x" for n in range(21)}}, "/tags"),
        ({"webhook": "ftp://example.org"}, "/webhook"),
        ({"webhook": "http://127.0.0.1/hook"}, "/webhook"),
        ({"webhook": {"url": "https://93.184.215.14/hook", "types": ["job.lost"]}}, "/webhook/types/0"),
        ({"dedupe": {"key": ""}}, "/dedupe/key"),
        ({"dedupe": {"key": "x", "mode": "replace", "within_s": 5}}, "/dedupe"),
    ):
        answer = await post(api, {**SAY, **option})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    for text in ('"\\ud800"', "1e999", "[" * 990 + "]" * 990):
        answer = await api.http.post("/jobs/test.say", content=f'{{"params": {{"text": {text}}}}}')
        assert answer.status_code == 422
    assert await jobs() == 0


async def test_the_same_request_is_carried_out_once_and_answered_the_same(settings: Settings) -> None:
    async with open_service(settings) as api:
        first = await post(api, SAY, Idempotency_Key='"a-key"')
        again = await post(api, SAY, Idempotency_Key="a-key")
        assert (first.status_code, "idempotent-replayed" in first.headers) == (202, False)
        assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
        assert again.content == first.content
        for name in ("location", "content-type"):
            assert again.headers[name] == first.headers[name]
        other = await post(api, {"params": {"text": "y"}}, Idempotency_Key="a-key")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        elsewhere = await api.http.post("/queues/test/pause", headers={"Idempotency-Key": "a-key"})
        assert elsewhere.status_code == 422
        wrong = await post(api, {"params": {}}, Idempotency_Key="wrong")
        assert (await post(api, {"params": {}}, Idempotency_Key="wrong")).json() == wrong.json()
        for key in (b"", b"x" * 256, b"a b", b"\xe9"):
            answer = await api.http.post("/jobs/test.say", json=SAY, headers={b"Idempotency-Key": key})
            assert answer.status_code == 422
        upload = await api.http.post("/files?name=x", content=b"x", headers={"Idempotency-Key": "file"})
        assert upload.status_code == 422
        stranger = {"Authorization": "", "X-API-Key": await create_secret(KeyKind.KEY, project="tester", name="b")}
        apart = await api.http.post("/jobs/test.say", json=SAY, headers={"Idempotency-Key": "a-key", **stranger})
        assert apart.json()["id"] != first.json()["id"]
        assert await jobs() == 2
    async with open_service(settings) as api:
        before = {"Authorization": first.request.headers["authorization"], "Idempotency-Key": "a-key"}
        replayed = await api.http.post("/jobs/test.say", json=SAY, headers=before)
        assert replayed.content == first.content
        await keys(created_at="now() - interval '25 hours'")
        anew = await api.http.post("/jobs/test.say", json=SAY, headers=before)
        assert anew.json()["id"] != first.json()["id"]
        await forget_old()
        assert (await rows("SELECT count(*) AS n FROM idempotency"))[0]["n"] == 1


async def test_of_the_same_request_many_times_at_once_one_is_carried_out(api: Service) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(post(api, SAY, Idempotency_Key="k", Prefer="wait=60")) for _ in range(6)]
        async with asyncio.timeout(60):
            while sum(task.done() for task in tasks) < 5:
                await asyncio.wait([task for task in tasks if not task.done()], return_when=asyncio.FIRST_COMPLETED)
        early = [task.result() for task in tasks if task.done()]
        assert {(answer.status_code, answer.json()["code"]) for answer in early} == {(409, "in_flight")}
        assert all(int(answer.headers["retry-after"]) for answer in early)
        await until(lambda: api.hub.followed == 1)
        (job,) = await api.client.jobs()
        await api.client.cancel(job["id"])
    (late,) = [task.result() for task in tasks if task.result().status_code == 200]
    assert (late.json()["id"], late.json()["state"]) == (job["id"], "cancelled")
    assert await jobs() == 1


@pytest.mark.parametrize("dedupe", [{}, {"dedupe": {"key": "w", "mode": "replace"}}, {"dedupe": {"key": "w"}}])
async def test_a_request_whose_answer_was_lost_is_carried_out_again_and_submits_nothing_more(
    settings: Settings, dedupe: dict[str, Any]
) -> None:
    async with open_service(settings.model_copy(update={"jobs_per_project": 5, "queue_limit": 5})) as api:
        await sent_again(api, dedupe)


async def sent_again(api: Service, dedupe: dict[str, Any]) -> None:
    """Send two requests again whose answers were lost; what they have written is all that there may be."""
    body = {"params": {"folder": "/nowhere"}, **dedupe}
    first = await post(api, body, "test.follow", Idempotency_Key="k")
    many = {"jobs": [{"kind": "test.say", **SAY}, {"kind": "test.say", "params": {}}, {"kind": "test.say", **SAY}]}
    batch = await api.http.post("/jobs", json=many, headers={"Idempotency-Key": "b"})
    written = await jobs()
    assert (written, batch.json()["accepted"]) == (5, 2)
    await keys(status="NULL", body="NULL", headers="NULL")  # as one leaves it that dies before it answers
    assert (await post(api, body, "test.follow", Idempotency_Key="k")).status_code == 409
    await keys(held_until="now() - interval '1 second'")
    assert (await post(api, SAY)).status_code == 429
    await api.client.change_queue("test", "drain")
    assert (await post(api, SAY)).status_code == 409
    again = await post(api, body, "test.follow", Idempotency_Key="k")
    assert again.status_code == 202
    for member in ("id", "needs"):
        assert again.json()[member] == first.json()[member]
    assert again.json()["state"] == "blocked"
    assert "x-deduplicated" not in again.headers
    assert (await api.http.post("/jobs", json=many, headers={"Idempotency-Key": "b"})).json() == batch.json()
    assert await jobs() == written
    assert UUID(first.json()["id"]).version == 7


async def test_a_refusal_for_now_is_not_kept(api: Service) -> None:
    await api.client.change_queue("test", "drain")
    assert (await post(api, SAY, Idempotency_Key="k")).status_code == 409
    await api.client.change_queue("test", "resume")
    assert (await post(api, SAY, Idempotency_Key="k")).status_code == 202


async def test_of_many_that_do_the_same_work_at_once_one_is_submitted(settings: Settings) -> None:
    bounded = settings.model_copy(update={"jobs_per_project": 1})  # those that are not submitted do not count
    async with open_service(bounded) as one, open_service(bounded) as two, asyncio.TaskGroup() as group:
        body = {**SAY, "dedupe": {"key": "the same"}}
        tasks = [group.create_task(post(api, body)) for api in (one, two) * 10]
        answers = [await task for task in tasks]
        assert sorted(answer.status_code for answer in answers) == [200] * 19 + [202]
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert all(answer.headers.get("x-deduplicated") == "true" for answer in answers if answer.status_code == 200)
        assert await jobs() == 1


async def test_the_same_work_is_rejected_or_replaced_if_that_is_wanted(api: Service) -> None:
    async def submit(mode: str, text: str = "x", key: str = "w", kind: str = "test.say") -> httpx.Response:
        params = {"text": text} if kind == "test.say" else {}
        return await post(api, {"params": params, "dedupe": {"key": key, "mode": mode}}, kind)

    first = (await submit("reject")).json()
    refused = await submit("reject", "y")
    assert (refused.status_code, refused.json()["code"], refused.json()["job"]) == (409, "duplicate", first["id"])
    assert (await submit("reject", key="other")).status_code == 202
    assert (await submit("reject", kind="test.unserved")).status_code == 202
    newer = await submit("replace", "newer")
    assert (newer.status_code, newer.json()["params"]) == (202, {"text": "newer"})
    replaced = await api.client.job(first["id"])
    assert (replaced["state"], newer.json()["id"] in replaced["cancel_reason"]) == ("cancelled", True)
    assert (await submit("return_existing")).json()["id"] == newer.json()["id"]
    await api.client.cancel(newer.json()["id"])
    last = await submit("reject")
    assert last.status_code == 202
    retried = await api.http.post(f"/jobs/{newer.json()['id']}/retry")
    assert (retried.status_code, retried.json()["code"], retried.json()["job"]) == (409, "duplicate", last.json()["id"])
    await api.client.cancel(last.json()["id"])
    assert (await api.http.post(f"/jobs/{newer.json()['id']}/retry")).status_code == 202
    assert (await submit("return_existing")).json()["id"] == newer.json()["id"]


async def test_work_that_another_does_is_neither_counted_nor_refused(settings: Settings) -> None:
    async with open_service(settings.model_copy(update={"jobs_per_project": 2, "queue_limit": 2})) as api:
        body = {**SAY, "dedupe": {"key": "w"}}
        many = {"jobs": [{"kind": "test.say", **body}] * 3}

        async def again() -> list[int]:
            job = (await api.client.jobs())[0]["id"]
            rerun = await api.http.post(f"/jobs/{job}/rerun", json={"dedupe": body["dedupe"]})
            batch = (await api.http.post("/jobs", json=many)).json()
            return [(await post(api, body)).status_code, rerun.status_code, *(one["status"] for one in batch["items"])]

        assert [(await post(api, body)).status_code for _ in range(4)] == [202, 200, 200, 200]
        assert await again() == [200] * 5
        assert (await post(api, SAY)).status_code == 202
        assert (await post(api, SAY)).status_code == 429
        assert await again() == [200] * 5
        await api.client.change_queue("test", "drain")
        assert await again() == [200] * 5
        assert (await post(api, {**SAY, "dedupe": {"key": "other"}})).status_code == 409
        assert await jobs() == 2


async def test_a_job_stands_for_its_work_as_long_as_is_said(service: Service, tmp_path: Path) -> None:
    def body(**dedupe: Any) -> dict[str, Any]:
        return {"params": {"folder": str(tmp_path)}, "dedupe": {"key": "w", **dedupe}}

    first = (await post(service, body(), "test.wait")).json()
    await until((tmp_path / "pids").exists)
    assert (await post(service, body(), "test.wait")).json()["id"] == first["id"]
    second = await post(service, body(**{"while": "queued"}), "test.wait")
    assert second.status_code == 202
    await service.client.cancel(second.json()["id"])
    third = await post(service, body(mode="replace"), "test.wait")  # what runs is not replaced
    await service.client.cancel(third.json()["id"])
    assert (await service.client.job(first["id"]))["state"] == "running"
    (tmp_path / "go").touch()
    for job in (first["id"], second.json()["id"], third.json()["id"]):
        await service.client.result(job)
    assert (await post(service, body(within_s=3600), "test.wait")).json()["id"] == first["id"]
    assert (await post(service, body(), "test.wait")).json()["id"] != first["id"]


async def test_thousands_are_submitted_in_one_request_and_each_is_answered_for(api: Service) -> None:
    items: list[Any] = [{"kind": "test.say", "params": {"text": f"{n}"}, "tags": {"n": f"{n}"}} for n in range(3000)]
    items[7] = {"kind": "test.say", "params": {"text": 7}}
    items[2001] = {"kind": "test.nothing", "params": {}}
    answer = await api.http.post("/jobs", json={"jobs": items}, timeout=LONG_S)
    batch = answer.json()
    assert (answer.status_code, batch["accepted"], batch["refused"]) == (200, 2998, 2)
    assert [(warning["code"], warning["queue"]) for warning in batch["warnings"]] == [
        ("no_worker", "test"),
        ("queue_long", "test"),
    ]
    assert await jobs() == 2998
    bad = batch["items"][7]
    assert (bad["status"], bad["job"], bad["problem"]["errors"][0]["pointer"]) == (422, None, "/jobs/7/params/text")
    assert (batch["items"][2001]["status"], batch["items"][2001]["problem"]["code"]) == (404, "unknown_kind")
    for n in (0, 2999):
        found = batch["items"][n]
        job = (await api.http.get(found["job"]["href"].removeprefix("/api/v1"))).json()
        assert (found["status"], job["id"], job["params"], job["tags"]) == (
            202, found["job"]["id"], {"text": f"{n}"}, {"n": f"{n}"},
        )  # fmt: skip


async def test_an_atomic_batch_is_submitted_whole_or_not_at_all(api: Service) -> None:
    good, bad = {"kind": "test.say", **SAY}, {"kind": "test.say", "params": {}}
    items = [good, bad, good, {"kind": "nothing", "params": {}}, {**good, "dedupe": {"key": "x"}}]
    refused = await api.http.post("/jobs", json={"atomic": True, "jobs": items})
    pointers = [fault["pointer"] for fault in refused.json()["errors"]]
    assert (refused.status_code, pointers) == (422, ["/jobs/1/params/text", "/jobs/3", "/jobs/4/dedupe"])
    assert await jobs() == 0
    taken = await api.http.post("/jobs", json={"jobs": [good] * 600, "atomic": True}, timeout=LONG_S)
    assert (taken.status_code, taken.json()["accepted"], await jobs()) == (200, 600, 600)
    await api.client.change_queue("test", "drain")
    assert (await api.http.post("/jobs", json={"jobs": [good], "atomic": True})).status_code == 409
    assert (await api.http.post("/jobs", json={"jobs": [good]})).json()["items"][0]["status"] == 409


async def test_jobs_of_a_batch_do_not_do_the_same_work_either(api: Service) -> None:
    one = {"kind": "test.say", **SAY, "dedupe": {"key": "w"}}
    other = {"kind": "test.say", **SAY, "dedupe": {"key": "w", "mode": "reject"}}
    batch = (await api.http.post("/jobs", json={"jobs": [one, one, other, {"kind": "test.say", **SAY}]})).json()
    assert [item["status"] for item in batch["items"]] == [202, 200, 409, 202]
    assert batch["items"][0]["job"] == batch["items"][1]["job"]
    assert (batch["accepted"], batch["refused"], await jobs()) == (3, 1, 2)


NO_BATCHES = (
    "", "[]", "{}", '{"jobs": []}', '{"jobs": 1}', '{"jobs": [1], "more": 1}', '{"jobs": [1], "atomic": 1}',
    '{"jobs": [1', '{"jobs": [1,]}', '{"jobs": [1]} 1', '{"jobs": [1], "jobs": [1]}', '{"jobs": [NaN]}',
    '{"jobs": [1] "atomic": true}', '{"jobs": [' + ",".join(["1"] * 10_001) + "]}", "\xff",
)  # fmt: skip


async def test_a_body_that_is_no_batch_is_refused(api: Service) -> None:
    for body in NO_BATCHES:
        answer = await api.http.post("/jobs", content=body.encode("latin-1"))
        assert answer.status_code == 422, body
    full = {"kind": "test.say", "params": {"text": "x" * 1_000_000}}
    batch = (await api.http.post("/jobs", json={"jobs": [1, full, {"kind": "test.say", **SAY}]})).json()
    assert [item["status"] for item in batch["items"]] == [422, 202, 202]
    # if it were read whole, the second would hold up the event loop for longer than a test may
    for body, status in (('{"jobs": [', 422), ('{"jobs": [[', 413)):
        assert (await api.http.post("/jobs", content=body + "[]," * 5_000_000)).status_code == status
    assert (await api.http.post("/jobs", content=b" " * 17_000_000)).status_code == 413


async def test_a_submission_waits_for_the_end_if_that_is_preferred(service: Service, tmp_path: Path) -> None:
    done = await post(service, SAY, Prefer="respond-async, wait=50")
    assert (done.status_code, done.json()["state"], done.json()["result"]) == (200, "succeeded", {"text": "x"})
    assert done.headers["preference-applied"] == "wait=50"
    assert [file["name"] for file in done.json()["files"]] == ["said.txt"]
    assert done.json()["warnings"] == []
    late = await post(service, {"params": {"folder": str(tmp_path)}}, "test.wait", Prefer="wait=0")
    assert (late.status_code, late.headers["preference-applied"]) == (202, "wait=0")
    assert "preference-applied" not in (await post(service, SAY, Prefer="wait=soon")).headers

    job = late.json()["id"]
    await until((tmp_path / "pids").exists)
    assert (await show(service, job, "0.05")).json()["state"] == "running"
    for wrong in ("61", "-1", "x", "nan"):
        assert (await show(service, job, wrong)).status_code == 422
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(show(service, job, "60"))
        await until(lambda: service.hub.followed == 1)
        (tmp_path / "go").touch()
        assert (await waiting).json()["state"] == "succeeded"
    assert (await show(service, job, "60")).json()["state"] == "succeeded"


async def test_who_leaves_waits_no_more(api: Service) -> None:
    job = (await post(api, SAY)).json()["id"]
    for asked in (show(api, job, "60"), post(api, SAY, Prefer="wait=60")):
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(asked)
            await until(lambda: api.hub.followed == 1)
            waiting.cancel()
        await until(lambda: api.hub.followed == 0)


async def test_what_stands_in_the_way_of_a_job_is_said(settings: Settings) -> None:
    async with open_service(settings.model_copy(update={"queue_long": 3, "queue_limit": 5})) as api:

        async def codes() -> list[str]:
            answer = await post(api, SAY)
            return ["full"] if answer.is_error else [warning["code"] for warning in answer.json()["warnings"]]

        assert await codes() == ["no_worker"]
        for _ in range(2):
            await codes()
        assert await codes() == ["no_worker", "queue_long"]
        await codes()
        full = await post(api, SAY, Idempotency_Key="k")
        assert (full.status_code, full.json()["code"], full.headers["retry-after"]) == (503, "queue_full", "5")
        batch = (await api.http.post("/jobs", json={"jobs": [{"kind": "test.say", **SAY}]})).json()
        assert batch["items"][0]["status"] == 503
        assert (await post(api, {"params": {}}, "test.unserved")).status_code == 202
        await api.client.change_queue("test", "pause")
        await api.client.purge("test")

        async def paused() -> bool:
            return await codes() == ["no_worker", "queue_paused"]

        await until(paused)
        assert (await post(api, SAY, Idempotency_Key="k")).status_code == 202
        await api.client.change_queue("test", "resume")
        await rows(
            """WITH one AS (INSERT INTO worker (id, host, pid, queues, concurrency, started_at, heartbeat_at)
                VALUES ('w', 'h', 1, '["test"]', 1, now(), now() + interval '1 h') RETURNING id) SELECT id FROM one"""
        )

        async def served() -> bool:
            await api.client.purge("test")
            return await codes() == []

        await until(served)
