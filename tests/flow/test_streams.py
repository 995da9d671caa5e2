"""The story of the whole fleet, and many jobs on one socket: in order, without a gap, to each only its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis
from uuid6 import uuid7
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from arqsvc.api.gate import COOKIE
from arqsvc.api.keys import KeyKind, KeyRecord, Scope, create_secret
from arqsvc.api.sockets import AT_ONCE
from arqsvc.contract import DeletedEvent
from arqsvc.infra import db
from arqsvc.jobs import ledger
from arqsvc.jobs.events import announce
from arqsvc.jobs.move import Moved
from arqsvc.jobs.new import NewJob, insert
from arqsvc.settings import Settings
from tests.flow.streams import Frame, opened
from tests.service import Service, open_service
from tests.waiting import until


@asynccontextmanager
async def of_project(api: Service, project: str) -> AsyncIterator[httpx.AsyncClient]:
    key = await create_secret(KeyKind.KEY, project=project, name="another", scopes={Scope.READ, Scope.SUBMIT})
    async with httpx.AsyncClient(
        base_url=api.http.base_url, headers={"X-API-Key": key}, trust_env=False, timeout=60
    ) as http:
        yield http


@asynccontextmanager
async def socket(api: Service, query: str = "", **headers: str) -> AsyncIterator[ClientConnection]:
    url = api.client.url.replace("http", "ws") + f"/api/v1/events{query}"
    async with connect(url, additional_headers=headers or {"X-API-Key": api.key}, proxy=None) as opened_socket:
        yield opened_socket


def new(project: str = "tester", **given: Any) -> NewJob:
    return NewJob(id=uuid7(), project=project, kind="test.unserved", queue="unserved", params={}, **given)


async def write(api: Service, change: Awaitable[Sequence[Moved]]) -> None:
    """Change jobs, and announce it as all do who change jobs."""
    assert api.settings.redis_url
    moved = await change
    async with Redis.from_url(api.settings.redis_url.get_secret_value()) as redis, redis.pipeline() as pipe:
        announce(pipe, moved)
        await pipe.execute()


def same(*frames: list[Frame]) -> bool:
    return all([frame.told for frame in each] == [frame.told for frame in frames[0]] for each in frames)


async def test_the_fleet_is_told_from_now_or_from_any_cursor_each_change_once(service: Service) -> None:
    async with opened(service.http) as live:
        hello = await anext(live)
        assert (hello.type, hello.id, hello.told["data"]) == ("hello", hello.told["cursor"], {})
        jobs = [(await service.client.submit("test.step", {}))["id"] for _ in range(3)]
        frames = await live.states(9)
        cursors = [tuple(map(int, (frame.id or "").split("-"))) for frame in frames]
        assert cursors == sorted(set(cursors))
        for job in jobs:
            own = [frame for frame in frames if frame.told["job_id"] == job]
            assert [frame.state[1] for frame in own] == ["queued", "running", "succeeded"]
            assert [frame.told["id"] for frame in own] == ["1", "2", "3"]
            assert {(frame.told["kind"], frame.told["queue"]) for frame in own} == {("test.step", "test")}
    for place, cursor in enumerate([hello.id, *(frame.id for frame in frames[:-1])]):
        async with opened(service.http, headers={"Last-Event-ID": str(cursor)}) as again:
            assert same(await again.states(9 - place), frames[place:])


async def test_progress_goes_along_behind_the_change_that_it_follows(service: Service) -> None:
    async with opened(service.http) as live:
        await service.client.submit("test.step", {"pause_s": 0.3})
        told = [frame async for frame in before_end(live)]
    ids = [tuple(map(int, frame.told["id"].split("."))) for frame in told]
    assert ids == sorted(ids)
    assert {frame.told["data"]["step"] for frame in told if frame.type == "progress"}
    assert all((frame.id is None) == (frame.type == "progress") for frame in told)


async def before_end(live: Any) -> AsyncIterator[Frame]:
    async for frame in live:
        if frame.type in {"state", "progress"}:
            yield frame
            if frame.told["data"].get("state") == "succeeded":
                return


async def test_that_a_job_was_deleted_is_told_to_those_who_would_have_been_told_its_end(api: Service) -> None:
    async with (
        of_project(api, "another") as other,
        opened(api.http) as all_,
        opened(api.http, query={"tag.a": "c"}) as some,
        opened(other) as others,
    ):
        for stream in (all_, some, others):
            assert (await anext(stream)).type == "hello"
        job = await api.client.submit("test.unserved", {}, tags={"a": "b"})
        await api.client.cancel(job["id"])
        assert [frame.state for frame in await all_.states(2)] == [(job["id"], "queued"), (job["id"], "cancelled")]
        assert (await api.http.delete(f"/jobs/{job['id']}")).status_code == 204
        gone = await anext(all_)
        assert (gone.type, gone.id, gone.state, gone.told["tags"]) == (
            "deleted", None, (job["id"], "cancelled"), {"a": "b"},
        )  # fmt: skip
        assert DeletedEvent.model_validate(gone.told).id == "3"
        await write(api, insert([theirs := new("another"), last := new(tags={"a": "c"})]))
        for stream, job_id in ((others, theirs.id), (some, last.id), (all_, last.id)):
            assert (await anext(stream)).told["job_id"] == str(job_id)


async def test_each_project_hears_its_own_and_each_filter_what_fits(api: Service) -> None:
    async with (
        of_project(api, "another") as other,
        opened(api.http) as all_,
        opened(api.http, query={"tag.batch": "7", "kind": "test.uns*,test.say", "state": "queued"}) as some,
        opened(other) as others,
    ):
        for stream in (all_, some, others):
            assert (await anext(stream)).type == "hello"
        ours, theirs, tagged = new(), new("another"), new(tags={"batch": "7", "x": "y"})
        await insert([theirs, ours, tagged])
        await ledger.cancel([tagged.id])
        await write(api, insert([last := new("another"), fit := new(tags={"batch": "7"})]))
        assert [frame.told["job_id"] for frame in await all_.states(4)] == [
            str(job.id) for job in (ours, tagged, tagged, fit)
        ]
        assert [frame.told["job_id"] for frame in await some.states(2)] == [str(tagged.id), str(fit.id)]
        assert [frame.told["job_id"] for frame in await others.states(2)] == [str(theirs.id), str(last.id)]
    assert (await other_sees(api, ours.id)) == [404, 404]
    for wrong in ({"state": "asleep"}, {"colour": "red"}, {"after": "yesterday"}, {"q": "text"}):
        answer = await api.http.get("/events", params=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{next(iter(wrong))}")


async def other_sees(api: Service, job: UUID) -> list[int]:
    async with of_project(api, "another") as other:
        return [(await other.get(f"/jobs/{job}{path}")).status_code for path in ("", "/events")]


async def test_a_change_whose_transaction_ends_late_is_told_in_its_place(api: Service) -> None:
    assert api.settings.database_url
    early, late = new(), new()
    await insert([early, late])
    slow = await db.connect(api.settings.database_url.get_secret_value())
    try:
        async with opened(api.http) as live:
            assert (await anext(live)).type == "hello"
            async with slow.transaction():
                await slow.execute(
                    """WITH moved AS (UPDATE job SET state = 'cancelled', seq = 2 WHERE id = $1 RETURNING *)
                    INSERT INTO job_event (job_id, seq, at, state, attempt) SELECT id, 2, now(), state, 0 FROM moved""",
                    early.id,
                )
                await write(api, ledger.cancel([late.id]))
                async with opened(api.http, f"/jobs/{late.id}/events") as of_job:
                    assert [frame.state[1] async for frame in of_job] == ["queued", "cancelled"]
            assert [frame.state for frame in await live.states(2)] == [
                (str(early.id), "cancelled"), (str(late.id), "cancelled"),
            ]  # fmt: skip
    finally:
        await slow.close()


async def test_nothing_is_lost_with_redis_and_what_nobody_announced_is_found(api: Service) -> None:
    assert api.settings.redis_url
    async with opened(api.http) as live, socket(api) as one:
        assert (await anext(live)).type == "hello"
        job = await api.client.submit("test.unserved", {})
        await one.send(json.dumps({"follow": {"jobs": {job["id"]: ""}}}))
        assert json.loads(await one.recv())["id"] == "1"
        async with Redis.from_url(api.settings.redis_url.get_secret_value()) as redis:
            await redis.flushall()
        await ledger.cancel([UUID(job["id"])])
        assert [frame.state[1] for frame in await live.states(2)] == ["queued", "cancelled"]
        assert json.loads(await one.recv())["data"]["state"] == "cancelled"


async def test_who_comes_from_too_far_gets_a_snapshot_and_goes_on_from_there(api: Service) -> None:
    waits, gone = new(tags={"a": "b"}), new()
    await insert([waits, gone, new("another")])
    await ledger.cancel([gone.id])
    for number, after in enumerate(("1-1", "snapshot", "999999999999-1"), 1):
        async with opened(api.http, query={"after": after}) as stream:
            reset = await anext(stream)
            assert (reset.type, reset.id) == ("reset", reset.told["cursor"])
            counts = {state: jobs for state, jobs in reset.told["data"]["counts"].items() if jobs}
            assert counts == {"queued": 1, "cancelled": number}
            (job,) = reset.told["data"]["jobs"]
            assert (job["id"], job["state"], job["seq"], job["tags"]) == (str(waits.id), "queued", 1, {"a": "b"})
            await write(api, insert([another := new()]))
            assert (await stream.states(1))[0].state == (str(another.id), "queued")
            await ledger.cancel([another.id])
    async with opened(api.http, query={"after": str(reset.id)}) as stream:
        assert [frame.told["id"] for frame in await stream.states(2)] == ["1", "2"]


async def test_a_ticket_opens_one_stream_for_its_caller(api: Service) -> None:
    job = (await api.client.submit("test.unserved", {}))["id"]
    await api.client.cancel(job)
    made = await api.http.post("/tickets")
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    async with httpx.AsyncClient(base_url=api.http.base_url, trust_env=False) as nobody:
        path, ticket = f"/jobs/{job}/events", {"ticket": made.json()["ticket"]}
        assert (await nobody.get("/jobs", params=ticket)).status_code == 401
        assert "cancelled" in (await nobody.get(path, params=ticket)).text
        assert (await nobody.get(path, params=ticket)).status_code == 401
        old = {"ticket": (await api.http.post("/tickets")).json()["ticket"]}
        await KeyRecord.filter(kind=KeyKind.TICKET).update(expires_at=datetime(2020, 1, 1, tzinfo=UTC))
        assert (await nobody.get(path, params=old)).status_code == 401
        for key in ({"ticket": api.key}, {"key": api.key}, {"access_token": api.key}):
            answer = await nobody.get(path, params=key)
            assert (answer.status_code, "POST /api/v1/tickets" in answer.json()["detail"]) == (401, True)
        ticket = (await api.http.post("/tickets")).json()["ticket"]
        async with socket(api, f"?ticket={ticket}", Origin="http://elsewhere") as one:
            await one.send(json.dumps({"follow": {"jobs": {job: "1"}}}))
            assert json.loads(await one.recv())["data"]["state"] == "cancelled"
    assert await KeyRecord.filter(kind=KeyKind.TICKET).count() == 0


async def ticket_of(http: httpx.AsyncClient) -> str:
    return str((await http.post("/tickets")).json()["ticket"])


async def test_streams_end_with_the_key_that_opened_them(api: Service) -> None:
    """Those of one job and of all, by SSE and by WebSocket, with the key itself and with its tickets."""
    await insert([job := new()])
    secret = await create_secret(KeyKind.KEY, project="tester", name="lost", scopes={Scope.READ})
    url = api.client.url.replace("http", "ws") + f"/api/v1/jobs/{job.id}/events"
    async with (
        httpx.AsyncClient(base_url=api.http.base_url, headers={"X-API-Key": secret}, trust_env=False) as http,
        httpx.AsyncClient(base_url=api.http.base_url, trust_env=False) as nobody,
        opened(api.http) as kept,
        opened(http) as fleet,
        opened(http, f"/jobs/{job.id}/events") as of_job,
        opened(nobody, query={"ticket": await ticket_of(http)}) as with_ticket,
        connect(url, additional_headers={"X-API-Key": secret}, proxy=None) as job_socket,
        socket(api, f"?ticket={await ticket_of(http)}", Origin="http://elsewhere") as fleet_socket,
    ):
        for stream in (kept, fleet, of_job, with_ticket):
            assert (await anext(stream)).type in {"hello", "state"}
        assert json.loads(await job_socket.recv())["data"]["state"] == "queued"
        late = await ticket_of(http)
        await api.readers.look()
        assert api.hub.streams == 6
        await KeyRecord.filter(name="lost").update(expires_at=datetime(2020, 1, 1, tzinfo=UTC))
        assert (await nobody.get("/events", params={"ticket": late})).status_code == 401
        await api.readers.look()  # as it does every 15 s: another process may have revoked it
        for stream in (fleet, of_job, with_ticket):
            (last,) = [frame async for frame in stream]
            assert (last.type, last.told["data"]["code"]) == ("error", "unauthorized")
        for one in (job_socket, fleet_socket):
            with pytest.raises(ConnectionClosed) as closed:
                await one.recv()
            assert closed.value.rcvd
            assert (closed.value.rcvd.code, "revoked" in closed.value.rcvd.reason) == (1008, True)
        await write(api, ledger.cancel([job.id]))
        assert [frame.state[1] for frame in await kept.states(1)] == ["cancelled"]


async def test_a_key_that_is_revoked_and_a_session_that_ends_stop_reading_at_once(api: Service) -> None:
    made = (await api.http.post("/keys", json={"name": "lost", "scopes": ["read"]})).json()
    session = await create_secret(KeyKind.SESSION, project="tester", name="browser")
    browser = {"Cookie": f"{COOKIE}={session}", "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(base_url=api.http.base_url, trust_env=False) as http:
        async with opened(http, headers={"X-API-Key": made["secret"]}) as stream:
            assert (await anext(stream)).type == "hello"
            assert (await api.http.delete(f"/keys/{made['id']}")).status_code == 204
            assert [frame.type async for frame in stream] == ["error"]
        async with opened(http, headers=browser) as stream:
            assert (await anext(stream)).type == "hello"
            assert (await http.delete("/session", headers=browser)).status_code == 204
            assert [frame.type async for frame in stream] == ["error"]


async def test_a_key_has_so_many_streams_open_and_says_so_much(settings: Settings) -> None:
    async with open_service(settings.model_copy(update={"streams_per_key": 2})) as api:
        async with opened(api.http) as first, socket(api) as one:
            assert (await anext(first)).type == "hello"
            refused = await api.http.get("/events")
            assert (refused.status_code, refused.json()["code"], refused.json()["limit"]) == (429, "rate_limited", 2)
            with pytest.raises(InvalidStatus, match="429"):
                async with socket(api):
                    pass
            async with of_project(api, "tester") as other, opened(other) as another:
                assert (await anext(another)).type == "hello"
            for _ in range(AT_ONCE + 20):
                await one.send("{}")
            with pytest.raises(ConnectionClosed) as closed:
                await one.recv()
            assert closed.value.rcvd
            assert (closed.value.rcvd.code, "a second" in closed.value.rcvd.reason) == (1008, True)
        await until(lambda: api.hub.streams == 0)
        async with opened(api.http) as again:
            assert (await anext(again)).type == "hello"


async def test_one_socket_follows_fifty_jobs_and_says_what_is_wrong(api: Service) -> None:
    await insert(new_jobs := [new() for _ in range(50)])
    jobs = [str(job.id) for job in new_jobs]
    async with socket(api) as one:
        await one.send(json.dumps({"follow": {"jobs": dict.fromkeys(jobs, "")}}))
        told = [json.loads(await one.recv()) for _ in range(50)]
        assert {event["job_id"]: event["data"]["state"] for event in told} == dict.fromkeys(jobs, "queued")
        await write(api, ledger.purge("unserved", None, 100))
        told = [json.loads(await one.recv()) for _ in range(50)]
        assert {event["job_id"]: event["data"]["state"] for event in told} == dict.fromkeys(jobs, "cancelled")
        assert api.hub.followed == 0
        unknown = str(uuid7())
        await one.send(json.dumps({"follow": {"jobs": {unknown: "", jobs[0]: "9", jobs[1]: "1", jobs[2]: "2"}}}))
        answers = [json.loads(await one.recv()) for _ in range(3)]
        assert [(each["type"], each["job_id"], each["data"].get("code")) for each in answers] == [
            ("error", unknown, "not_found"), ("error", jobs[0], "invalid_params"), ("state", jobs[1], None),
        ]  # fmt: skip
        for wrong in ("{", '{"follow": 3}', '{"filter": {"colour": "red"}}', '{"filter": {}, "after": "x"}'):
            await one.send(wrong)
            assert json.loads(await one.recv())["data"]["code"] == "invalid_params"


async def test_one_socket_follows_the_fleet_until_it_does_no_more(api: Service) -> None:
    async with socket(api) as one:
        await one.send(json.dumps({"filter": {"queue": "unserved"}}))
        hello = json.loads(await one.recv())
        assert hello["type"] == "hello"
        await write(api, insert([first := new()]))
        assert json.loads(await one.recv())["job_id"] == str(first.id)
        await one.send(json.dumps({"filter": {}, "after": hello["cursor"]}))
        assert json.loads(await one.recv())["job_id"] == str(first.id)
        await one.send(json.dumps({"filter": None, "follow": {"jobs": {str(first.id): "1"}}}))
        await until(lambda: api.hub.followed == 1)
        await insert([new()])
        await write(api, ledger.cancel([first.id]))
        assert json.loads(await one.recv())["data"]["state"] == "cancelled"
        await one.send(json.dumps({"unfollow": [str(first.id)]}))
    await until(lambda: api.hub.streams == 0)


async def test_streams_end_in_order_when_the_api_stops(settings: Settings) -> None:
    async with AsyncExitStack() as clients:
        async with open_service(settings) as api:
            await insert([job := new()])
            http = await clients.enter_async_context(
                httpx.AsyncClient(base_url=api.http.base_url, headers={"X-API-Key": api.key}, trust_env=False)
            )
            stream = await clients.enter_async_context(opened(http, f"/jobs/{job.id}/events"))
            assert (await anext(stream)).state[1] == "queued"
            one = await clients.enter_async_context(socket(api))
            await one.send(json.dumps({"follow": {"jobs": {str(job.id): ""}}}))
            assert json.loads(await one.recv())["id"] == "1"
        assert [frame async for frame in stream] == []
        with pytest.raises(ConnectionClosed) as closed:
            await one.recv()
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1012


async def many_changes(job: UUID, first: int, last: int) -> None:
    """Write these changes of a job in one transaction."""
    await db.rows(
        """WITH told AS (INSERT INTO job_event (job_id, seq, at, state, attempt)
            SELECT $1, seq, now(), 'queued', 0 FROM generate_series($2::int, $3::int) seq RETURNING id)
        SELECT count(*) FROM told""",
        [job, first, last],
    )


async def test_who_does_not_read_is_cut_off_and_slows_nobody(settings: Settings) -> None:
    async with open_service(settings, buffer_bytes=16_384) as api:
        await insert([job := new()])
        async with opened(api.http) as quick, opened(api.http) as slow, asyncio.TaskGroup() as group:
            hello = await anext(quick)
            reading = group.create_task(quick.states(6_000))
            for first in range(2, 6_002, 500):
                await many_changes(job.id, first, first + 499)
            frames = await reading
            read = [frame async for frame in slow]
        assert [frame.told["id"] for frame in frames] == [str(seq) for seq in range(2, 6_002)]
        last = read[-2].id
        assert (read[-1].type, read[-1].told["data"]["last_id"]) == ("cut", last)
        assert same(read[1:-1], frames[: len(read) - 2])
        async with opened(api.http, headers={"Last-Event-ID": str(last)}) as slow:
            assert same(await slow.states(6_000 - (len(read) - 2)), frames[len(read) - 2 :])
        await many_changes(job.id, 6_002, 10_010)
        async with opened(api.http, headers={"Last-Event-ID": str(hello.id)}) as slow:
            assert (await anext(slow)).type == "reset"
