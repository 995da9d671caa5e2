"""Webhooks: what is told to whom, signed how; what happens where a receiver fails, hangs, leaves or lies."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from signal import SIGKILL
from typing import Any
from uuid import UUID

import httpx
import pytest
from uuid6 import uuid7

from arqsvc.api.keys import KeyKind, Scope, create_secret
from arqsvc.api.webhook_sender import AT_ONCE, KEPT
from arqsvc.contract import WebhookJob, WebhookMessage, WebhookPing
from arqsvc.errors import BadSignature
from arqsvc.infra.db import open_db
from arqsvc.jobs import ledger, new
from arqsvc.jobs.deliveries import WAITS_S, forget_old
from arqsvc.jobs.new import NewJob
from arqsvc.jobs.webhooks import DeliveryRecord, WebhookRecord
from arqsvc.settings import Settings
from arqsvc.webhooks import new_secret
from tests.flow.receiver import Receiver, receiving
from tests.servers import worker_process
from tests.service import Service, open_service
from tests.waiting import until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with which webhooks may go to this host."""
    return settings.model_copy(update={"webhook_private": True})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that answers 200."""
    async with receiving() as receiver:
        yield receiver


async def hook(service: Service, receiver: Receiver, *types: str) -> dict[str, Any]:
    """Return a new webhook, with its secret."""
    wanted = {"url": receiver.url, **({"types": types} if types else {})}
    made: dict[str, Any] = await answered(service.http, "POST", "/webhooks", 201, json=wanted)
    return made


async def answered(http: httpx.AsyncClient, method: str, path: str, status: int = 200, **request: Any) -> Any:
    answer = await http.request(method, path, **request)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def end_job(service: Service) -> str:
    """Cancel a job that waits; returns its id."""
    job = str((await service.client.submit("test.say", {"text": "x"}))["id"])
    await service.client.cancel(job)
    return job


async def delivery(service: Service, job: str, tries: int) -> dict[str, Any]:
    """Return the one delivery of a job, once it was tried so often."""

    async def tried() -> bool:
        return await DeliveryRecord.filter(job_id=UUID(job), tries__gte=tries).exists()

    await until(tried)
    found = await answered(service.http, "GET", "/deliveries")
    (one,) = [each for each in found["items"] if each["job_id"] == job]
    assert isinstance(one, dict)
    return one


async def time_passes(job: str) -> None:
    """Make what waits for its next try due."""
    await DeliveryRecord.filter(job_id=UUID(job), state="pending").update(due_at=datetime.now(UTC))


def in_s(due_at: str) -> float:
    return (datetime.fromisoformat(due_at) - datetime.now(UTC)).total_seconds()


async def test_the_ends_of_jobs_are_told_once_and_signed_to_the_project_that_they_are_of(
    service: Service, receiver: Receiver
) -> None:
    made = await hook(service, receiver)
    assert made["types"] == ["job.succeeded", "job.failed", "job.cancelled"]
    key = await create_secret(KeyKind.KEY, project="other", name="other", scopes={Scope.SUBMIT})
    async with httpx.AsyncClient(
        base_url=service.http.base_url, headers={"X-API-Key": key}, trust_env=False
    ) as http, receiving() as others:  # fmt: skip
        await answered(http, "POST", "/webhooks", 201, json={"url": others.url, "types": ["job.queued"]})
        good = await service.ended("test.say", {"text": "said"})
        bad = await service.ended("test.fail", {"how": "failed"})
        await receiver.messages(2)
        told = {message.verified(made["secret"])["data"]["id"]: message for message in receiver.got}
        assert set(told) == {good["id"], bad["id"]}
        event = told[good["id"]].verified(made["secret"])
        assert (event["type"], event["data"]["state"], event["data"]["kind"]) == (
            "job.succeeded",
            "succeeded",
            "test.say",
        )
        assert event["data"]["href"] == f"/api/v1/jobs/{good['id']}"
        assert datetime.fromisoformat(event["data"]["finished_at"]) == datetime.fromisoformat(good["finished_at"])
        assert WebhookMessage.model_validate(event).model_dump().keys() == event.keys()
        assert set(WebhookJob.model_fields) == set(event["data"])
        assert told[bad["id"]].path == "/hook?a=b"
        one = await delivery(service, good["id"], 1)
        assert (one["state"], one["id"], one["body"]) == ("delivered", told[good["id"]].id, event)
        assert [(entry["status"], entry["answer"], entry["error"]) for entry in one["log"]] == [(200, "thanks", None)]
        with pytest.raises(BadSignature):
            told[good["id"]].verified(new_secret())
        for method, path in (
            ("GET", f"/webhooks/{made['id']}"), ("PATCH", f"/webhooks/{made['id']}"),
            ("DELETE", f"/webhooks/{made['id']}"), ("POST", f"/webhooks/{made['id']}/rotate"),
            ("POST", f"/webhooks/{made['id']}/ping"), ("POST", f"/webhooks/{made['id']}/enable"),
            ("GET", f"/webhooks/{made['id']}/deliveries"), ("POST", f"/deliveries/{one['id']}/redeliver"),
        ):  # fmt: skip
            await answered(http, method, path, 404, json={} if method != "GET" else None)
        assert (await answered(http, "GET", "/deliveries"))["items"] == []
        assert len((await answered(http, "GET", "/webhooks"))["items"]) == 1
        assert (receiver.types, others.got) == ({"job.succeeded": 1, "job.failed": 1}, [])


async def test_a_webhook_that_is_made_twice_is_refused_the_second_time(api: Service, receiver: Receiver) -> None:
    made = await hook(api, receiver)
    again = await answered(api.http, "POST", "/webhooks", 409, json={"url": receiver.url, "types": ["job.failed"]})
    assert (again["webhook"], made["id"] in again["detail"]) == (made["id"], True)
    wish = {"url": receiver.url, "types": ["job.queued"]}
    together = await asyncio.gather(*(api.http.post("/webhooks", json=wish) for _ in range(4)))
    assert sorted(answer.status_code for answer in together) == [201, 409, 409, 409]


async def test_a_receiver_that_is_away_is_told_later_under_the_same_id(api: Service) -> None:
    async with receiving() as gone:
        await hook(api, gone)
    job = await end_job(api)
    one = await delivery(api, job, 1)
    assert one["state"] == "pending"
    assert "127.0.0.1" in one["log"][0]["error"]
    async with receiving(gone.port) as receiver:
        receiver.answer = "500 Oops"
        await time_passes(job)
        one = await delivery(api, job, 2)
        assert 200 < in_s(one["due_at"]) < 400
        assert (await WebhookRecord.get()).failing_since
        receiver.answer = "204 Fine"
        receiver.body = b""
        await time_passes(job)
        one = await delivery(api, job, 3)
    assert (one["state"], one["due_at"], [entry["status"] for entry in one["log"]]) == (
        "delivered",
        None,
        [None, 500, 204],
    )
    assert [message.id for message in receiver.got] == [one["id"]] * 2
    assert (await WebhookRecord.get()).failing_since is None


async def test_what_a_killed_sender_had_sent_and_not_noted_is_sent_again_under_the_same_id(
    settings: Settings, receiver: Receiver
) -> None:
    receiver.open.clear()
    assert settings.database_url
    async with open_db(settings.database_url.get_secret_value()):
        await WebhookRecord.create(
            id=uuid7(), project="tester", url=receiver.url, types=["job.queued"], secret=new_secret(),
            created_at=datetime.now(UTC),
        )  # fmt: skip
        async with worker_process(settings, "arqsvc", "api") as process:
            job = NewJob(id=uuid7(), project="tester", kind="test.say", queue="test", params={})
            await new.insert([job])
            await receiver.messages(1)
            os.kill(process.pid, SIGKILL)
            await process.wait()
    receiver.open.set()
    async with open_service(settings) as service:
        assert (await DeliveryRecord.get()).tries == 0
        await time_passes(str(job.id))
        one = await delivery(service, str(job.id), 1)
    assert [message.id for message in receiver.got] == [one["id"]] * 2


async def test_a_new_secret_and_for_a_time_the_old_one_sign(api: Service, receiver: Receiver) -> None:
    made = await hook(api, receiver, "job.queued")
    path = f"/webhooks/{made['id']}"
    assert "secret" not in await answered(api.http, "GET", path)
    turned = await answered(api.http, "POST", f"{path}/rotate")
    assert turned["secret"] != made["secret"]
    assert in_s(turned["old_secret_until"]) > 80_000
    sent = await answered(api.http, "POST", f"{path}/ping", 202)
    (ping,) = await receiver.messages(1)
    assert (ping.type, ping.id, len(ping.headers["webhook-signature"].split())) == ("ping", sent["id"], 2)
    for secret in (made["secret"], turned["secret"]):
        assert WebhookPing.model_validate(ping.verified(secret)).model_dump(mode="json")["data"] == {"id": made["id"]}
    last = await answered(api.http, "POST", f"{path}/rotate", json={"old_valid_s": 0})
    assert last["old_secret_until"] is None
    await answered(api.http, "POST", f"{path}/ping", 202)
    ping = (await receiver.messages(2))[1]
    ping.verified(last["secret"])
    with pytest.raises(BadSignature):
        ping.verified(turned["secret"])


async def test_410_disables_a_webhook_and_once_it_is_enabled_a_message_can_be_sent_anew(
    api: Service, receiver: Receiver
) -> None:
    made = await hook(api, receiver, "job.cancelled")
    path = f"/webhooks/{made['id']}"
    receiver.answer = "503 Later"
    waiting = await end_job(api)
    await delivery(api, waiting, 1)
    receiver.answer = "410 Gone"
    job = await end_job(api)
    one = await delivery(api, job, 1)
    assert (one["state"], one["log"][0]["status"]) == ("failed", 410)
    shown = await answered(api.http, "GET", path)
    assert "410" in shown["disabled_reason"]
    other = await delivery(api, waiting, 1)
    assert (other["state"], other["due_at"], other["log"][-1]["status"]) == ("failed", None, None)
    await end_job(api)  # of which nobody is told
    again = f"/deliveries/{one['id']}/redeliver"
    refused = await answered(api.http, "POST", again, 409)
    assert "/enable" in refused["detail"]
    receiver.answer = "200 OK"
    assert (await answered(api.http, "POST", f"{path}/enable"))["disabled_at"] is None
    await answered(api.http, "POST", again, 202)
    await receiver.messages(3)
    one = await delivery(api, job, 1)
    assert [message.id for message in receiver.got] == [other["id"], one["id"], one["id"]]
    assert (one["state"], [entry["status"] for entry in one["log"]]) == ("delivered", [410, 200])
    page = await answered(api.http, "GET", f"{path}/deliveries?limit=1")
    rest = await answered(api.http, "GET", f"{path}/deliveries?cursor={page['next_cursor']}")
    assert [each["job_id"] for each in (*page["items"], *rest["items"])] == [job, waiting]
    assert rest["next_cursor"] is None
    await answered(api.http, "DELETE", path, 204)
    assert (await answered(api.http, "GET", "/deliveries"))["items"] == []


async def test_redirects_are_not_followed_and_who_asks_to_wait_is_waited_for(api: Service, receiver: Receiver) -> None:
    await hook(api, receiver)
    async with receiving() as elsewhere:
        receiver.answer, receiver.headers = "307 Elsewhere", (f"Location: {elsewhere.url}",)
        one = await delivery(api, await end_job(api), 1)
        assert one["state"] == "pending"
        assert "redirects are not followed" in one["log"][0]["error"]
        assert elsewhere.got == []
    receiver.answer, receiver.headers, receiver.body = "429 Slowly", ("Retry-After: 1000",), b"x" * 5000
    last = await delivery(api, await end_job(api), 1)
    assert 900 < in_s(last["due_at"]) < 1100
    assert last["log"][0]["answer"] == "x" * 1024

    async def waits() -> bool:
        return in_s((await delivery(api, one["job_id"], 1))["due_at"]) > 900

    await until(waits)


async def test_a_receiver_that_hangs_holds_up_no_other(api: Service, receiver: Receiver) -> None:
    async with receiving() as slow:
        slow.open.clear()
        await hook(api, slow, "job.queued")
        jobs = [NewJob(id=uuid7(), project="tester", kind="test.say", queue="test", params={}) for _ in range(20)]
        await new.insert(jobs)
        await slow.messages(8)
        await hook(api, receiver, "job.cancelled")
        await end_job(api)
        await receiver.messages(1)
        assert len(slow.got) == 8
        slow.open.set()
        await slow.messages(21)
        assert len({message.id for message in slow.got}) == len(jobs) + 1 == len(slow.got)


async def test_two_projects_whose_receivers_hang_hold_up_no_third(api: Service, receiver: Receiver) -> None:
    async with receiving() as slow:
        slow.open.clear()
        await WebhookRecord.bulk_create([
            WebhookRecord(
                id=uuid7(), project=project, url=slow.url, types=["job.queued"], secret=new_secret(),
                created_at=datetime.now(UTC),
            )
            for project in ("one", "two") for _ in range(6)
        ])  # fmt: skip
        await new.insert([
            NewJob(id=uuid7(), project=project, kind="test.say", queue="test", params={})
            for project in ("one", "two") for _ in range(10)
        ])  # fmt: skip
        await slow.messages(AT_ONCE - KEPT)
        await hook(api, receiver, "job.cancelled")
        await end_job(api)
        await receiver.messages(1)
        assert len(slow.got) == AT_ONCE - KEPT
        slow.open.set()
        await slow.messages(120)


async def test_a_message_is_given_up_in_the_end_and_a_webhook_that_fails_for_days_is_disabled(
    api: Service, receiver: Receiver
) -> None:
    made = await hook(api, receiver)
    receiver.answer = "500 Oops"
    job = await end_job(api)
    await delivery(api, job, 1)
    last = len(WAITS_S) - 1
    await DeliveryRecord.filter(job_id=UUID(job)).update(tries=last, due_at=datetime.now(UTC))
    assert (await delivery(api, job, last + 1))["state"] == "failed"
    path = f"/webhooks/{made['id']}"
    assert (await answered(api.http, "GET", path))["disabled_at"] is None
    await WebhookRecord.filter().update(failing_since=datetime.now(UTC) - timedelta(days=6))
    second = await end_job(api)
    await delivery(api, second, 1)
    await DeliveryRecord.filter(job_id=UUID(second)).update(tries=last, due_at=datetime.now(UTC))
    await delivery(api, second, last + 1)
    assert "Nothing could be delivered since" in (await answered(api.http, "GET", path))["disabled_reason"]
    old = await DeliveryRecord.get(job_id=UUID(job))
    await DeliveryRecord.bulk_create([old.clone(pk=UUID(int=7 << 76))])
    assert await forget_old(10) == 1
    assert await DeliveryRecord.filter(job_id=UUID(job)).values_list("id", flat=True) == [old.id]


async def test_an_address_that_is_not_public_is_refused_when_it_is_named_and_when_it_is_sent_to(
    settings: Settings, receiver: Receiver
) -> None:
    async with open_service(settings.model_copy(update={"webhook_private": False})) as service:
        for url in (
            receiver.url, f"http://localhost:{receiver.port}", "http://[::ffff:10.0.0.1]/", "http://2130706433/",
            "http://169.254.169.254/latest", "http://0/", "http://no-such-name.invalid/", "http://a:b@93.184.215.14/",
        ):  # fmt: skip
            problem = await answered(service.http, "POST", "/webhooks", 422, json={"url": url})
            assert (problem["code"], problem["errors"][0]["pointer"]) == ("address_refused", "/url"), url
        for webhook, code, pointer in (
            (receiver.url, "address_refused", "/webhook"), ({"url": receiver.url}, "address_refused", "/webhook/url"),
            ("ftp://93.184.215.14/", "invalid_params", "/webhook"),
            ({"url": "ftp://93.184.215.14/"}, "invalid_params", "/webhook/url"),
        ):  # fmt: skip
            wish = {"params": {"text": "x"}, "webhook": webhook}
            problem = await answered(service.http, "POST", "/jobs/test.say", 422, json=wish)
            assert (problem["code"], problem["errors"][0]["pointer"]) == (code, pointer)
            batch = await answered(service.http, "POST", "/jobs", json={"jobs": [{"kind": "test.say", **wish}]})
            problem = batch["items"][0]["problem"]
            assert (problem["code"], problem["errors"][0]["pointer"]) == (code, f"/jobs/0{pointer}")
        made = await answered(service.http, "POST", "/webhooks", 201, json={"url": "https://93.184.215.14/hook"})
        await answered(service.http, "PATCH", f"/webhooks/{made['id']}", 422, json={"url": receiver.url})
        await WebhookRecord.filter().update(url=f"http://localhost:{receiver.port}/")  # as if the name had changed
        one = await delivery(service, await end_job(service), 1)
        assert "ARQSVC_WEBHOOK_PRIVATE" in one["log"][0]["error"]
        assert receiver.got == []


async def test_a_job_tells_its_own_webhook_signed_with_the_secret_of_its_project(
    api: Service, receiver: Receiver
) -> None:
    webhook = {"url": receiver.url, "types": ["job.running", "job.queued"]}
    job = await api.client.submit("test.say", {"text": "x"}, webhook=webhook, tags={"a": "b"})
    await receiver.messages(1)
    secret = (await answered(api.http, "GET", "/webhooks/secret"))["secret"]
    assert receiver.got[0].verified(secret)["data"]["tags"] == {"a": "b"}
    turned = await answered(api.http, "POST", "/webhooks/secret/rotate")
    await ledger.start([(UUID(job["id"]), 1)], "one", 20.0)
    event = (await receiver.messages(2))[1]
    assert [event.verified(one)["type"] for one in (secret, turned["secret"])] == ["job.running"] * 2
    assert (await answered(api.http, "GET", "/webhooks/secret"))["secret"] == turned["secret"]
    found = await answered(api.http, "GET", "/deliveries")
    assert {(one["webhook_id"], one["job_id"]) for one in found["items"]} == {(None, job["id"])}
