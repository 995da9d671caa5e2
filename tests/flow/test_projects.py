"""Two projects on one service: neither sees, changes or uses up what is the other's; and what one key of one may do."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from asyncpg import Connection
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from arqsvc.api import wes
from arqsvc.api.app import OPERATIONS
from arqsvc.api.keys import KeyKind, Scope, create_secret
from arqsvc.api.operation import Operation
from arqsvc.infra.db import connect as connect_database
from arqsvc.jobs.quota import open_jobs
from arqsvc.jobs.record import JobRecord
from arqsvc.settings import Settings
from tests.service import Service, open_service
from tests.waiting import until

MARK = "only-for-the-owner"
NEW = {"jobs.submit", "jobs.submit_batch", "files.upload", "jobs.bulk", "webhooks.create"}
"""Operations that make something, or act on what a body says: each has its own lines in the tests below."""
WHOLE = {
    *("queues.pause", "queues.resume", "queues.drain", "queues.purge"),
    *("workers.drain", "workers.resume", "workers.stop"),
    *("session.open", "session.close", "webhooks.rotate_secret", "scaling.show", "events.ticket", "kinds.show"),
}
"""Operations on what no project has, or on the session or the secret of whoever asks."""
THINGS = {"jobs", "tasks", "files", "webhooks", "deliveries"}
"""What a project has, as the first parts of paths."""
OWNED = ("job", "file", "attempt", "job_event", "job_need", "job_log", "webhook", "webhook_delivery")
"""Tables of what a project has; nobody else's request may change one."""


def by_id(operation: Operation) -> bool:
    """Whether an operation is on one thing of a project, which its path names."""
    return "{id}" in operation.path and operation.scope != Scope.ADMIN


def reads(operation: Operation) -> bool:
    """Whether an operation tells of several things, or of whoever asks."""
    return operation.method == "GET" and "{" not in operation.path and operation.scope != Scope.ADMIN


def test_every_operation_is_tried_by_another_project_or_known_to_be_of_the_whole_service() -> None:
    admin = {each.name for each in OPERATIONS if each.scope == Scope.ADMIN}
    tried = {each.name for each in OPERATIONS if by_id(each) or reads(each)}
    assert {each.name for each in OPERATIONS} == admin | tried | NEW | WHOLE
    assert {each.path.split("/")[1] for each in OPERATIONS if by_id(each)} <= THINGS


@asynccontextmanager
async def client_of(
    api: Service, project: str, scopes: frozenset[Scope] = frozenset(Scope) - {Scope.ADMIN}
) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client with a new key of a project; by default it may all but administer."""
    key = await create_secret(KeyKind.KEY, project=project, name="other", scopes=scopes)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=api.http.base_url, headers=headers, trust_env=False) as http:
        yield http


async def things_of(api: Service) -> dict[str, list[str]]:
    """Make one of each thing that a project may have; returns the ids by the first part of their paths."""
    done = await api.ended("test.say", {"text": MARK})
    waits = await api.client.submit("test.unserved", {})
    uploaded = (await api.http.post(f"/files?name={MARK}.txt", content=MARK)).json()
    jobs, files = [done["id"], waits["id"]], [uploaded["id"], done["files"][0]["id"]]
    address = {"url": f"https://93.184.215.14/{MARK}"}  # nothing happens any more that it would be told
    webhook = (await api.http.post("/webhooks", json=address)).json()["id"]
    async with database_of(api) as connection:
        delivery = await connection.fetchval(
            """INSERT INTO webhook_delivery (id, webhook_id, lane, project, type, body, state, created_at)
            VALUES (gen_random_uuid(), $1::text::uuid, 'none', 'tester', 'ping', '{}', 'failed', now())
            RETURNING id::text""",
            webhook,
        )
    return {"jobs": jobs, "tasks": jobs, "files": files, "webhooks": [webhook], "deliveries": [delivery]}


@asynccontextmanager
async def database_of(api: Service) -> AsyncIterator[Connection]:
    """Yield a connection to the database of a service."""
    assert api.settings.database_url
    connection = await connect_database(api.settings.database_url.get_secret_value())
    try:
        yield connection
    finally:
        await connection.close()


async def rows_of(api: Service) -> dict[str, list[str]]:
    """Return all rows of what projects have."""
    async with database_of(api) as connection:
        return {
            table: sorted(row["row"] for row in await connection.fetch(f"SELECT t::text AS row FROM {table} t"))
            for table in OWNED
        }


async def ask(http: httpx.AsyncClient, operation: Operation, **named: str) -> tuple[int, Any]:
    """Call an operation with an example of its body; returns the status, and the body of a problem."""
    path = operation.path
    for part in ("id", "kind", "queue", "worker", "name"):
        path = path.replace(f"{{{part}}}", named.get(part, "none"))
    body: Any = next(iter(operation.examples.values()), {}) if operation.body else None
    async with http.stream(operation.method, path.replace("{", "").replace("}", ""), json=body) as answer:
        if answer.status_code < 400:
            return answer.status_code, None  # it may be a stream without an end
        return answer.status_code, json.loads(await answer.aread())


async def test_another_project_finds_and_changes_nothing(service: Service) -> None:
    things = await things_of(service)
    before = await rows_of(service)
    async with client_of(service, "stranger") as stranger:
        for operation in filter(by_id, OPERATIONS):
            for thing in things[operation.path.split("/")[1]]:
                status, problem = await ask(stranger, operation, id=thing)
                assert (status, problem["code"]) == (404, "not_found"), operation.name
                # as if there were none: the words do not tell either
                nobody, same = await ask(stranger, operation, id=str(UUID(int=1)))
                words = [each["detail"].replace(str(UUID(int=1)), thing) for each in (problem, same)]
                assert (nobody, words[0]) == (404, words[1])
        for operation in OPERATIONS:
            if operation.scope == Scope.ADMIN:
                status, problem = await ask(stranger, operation, id=things["jobs"][0], name="tester")
                assert (status, problem["scope"]) == (403, "admin"), operation.name

        for operation in wes.OPERATIONS:
            for job in things["jobs"] if by_id(operation) else ():
                path = operation.path.replace("{id}", job).replace("{task}", "1")
                answer = await stranger.request(operation.method, f"{service.client.url}{wes.BASE}{path}")
                assert answer.status_code == 404, operation.name
        answer = await stranger.post("/jobs/test.read", json={"params": {"file_id": things["files"][0]}})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/params/file_id")
        batch = [{"kind": "test.read", "params": {"file_id": things["files"][0]}}]
        answer = await stranger.post("/jobs", json={"jobs": batch})
        assert (answer.status_code, answer.json()["accepted"], answer.json()["refused"]) == (200, 0, 1)
        for action in ("cancel", "retry", "delete", "pin", "unpin"):
            answer = await stranger.post("/jobs:bulk", json={"action": action, "filter": {}, "dry_run": True})
            assert (answer.status_code, answer.json()["matched"]) == (200, 0)
        key = stranger.headers["Authorization"]
        for job in things["jobs"]:
            url = f"{service.client.url.replace('http', 'ws')}/api/v1/jobs/{job}/events"
            with pytest.raises(InvalidStatus, match="404"):
                await connect(url, additional_headers={"Authorization": key}, proxy=None)
    assert await rows_of(service) == before


async def test_no_list_and_no_stream_tells_of_another_project(service: Service) -> None:
    things = await things_of(service)
    secrets = {MARK, "tester", *(each for ids in things.values() for each in ids)}
    async with client_of(service, "stranger") as stranger:
        assert (await stranger.get("/jobs")).json()["items"] == []
        runs = await stranger.get(f"{service.client.url}{wes.BASE}/runs")
        assert (runs.status_code, runs.json()["runs"]) == (200, [])
        for operation in filter(reads, OPERATIONS):
            if operation.answers.get(200) == "text/event-stream":
                text = await _streamed(service, stranger, operation.path)
            else:
                answer = await stranger.get(operation.path)
                assert answer.status_code == 200, operation.name
                text = answer.text
            assert not [secret for secret in secrets if secret in text], operation.name
    assert things["jobs"][0] in (await service.http.get("/jobs")).text


async def _streamed(owner: Service, stranger: httpx.AsyncClient, path: str) -> str:
    """Return what a stream of all events tells a stranger until it tells of a job of his own."""
    text = ""
    async with stranger.stream("GET", path) as stream:
        await owner.client.submit("test.unserved", {})
        own = (await stranger.post("/jobs/test.unserved", json={"params": {}})).json()["id"]
        async for piece in stream.aiter_text():
            text += piece
            if own in text:
                break
    return text


async def test_a_key_does_what_its_scope_says_and_nothing_else(api: Service) -> None:
    for scope in Scope:
        async with client_of(api, "lab", frozenset({scope})) as http:
            for operation in OPERATIONS:
                if operation.public:
                    continue
                status, problem = await ask(http, operation)
                if operation.scope in {None, scope} or scope == Scope.ADMIN:
                    assert status != 403, (operation.name, scope)
                else:
                    assert (status, problem["scope"]) == (403, operation.scope), (operation.name, scope)


async def test_no_more_jobs_than_a_project_may_have(settings: Settings) -> None:
    async with open_service(settings.model_copy(update={"jobs_per_project": 3})) as api:

        async def submitted(http: httpx.AsyncClient = api.http) -> httpx.Response:
            return await http.post("/jobs/test.unserved", json={"params": {}})

        async def accepted() -> bool:
            return (await submitted()).status_code == 202

        jobs = [(await submitted()).json()["id"] for _ in range(2)]
        answer = await api.http.post("/jobs/test.follow", json={"params": {"folder": "/tmp"}})
        assert (answer.status_code, answer.json()["code"], answer.json()["limit"]) == (429, "quota_exceeded", 3)
        assert (await submitted()).status_code == 202
        answer = await submitted()
        assert (answer.status_code, answer.json()["open"], answer.headers["retry-after"]) == (429, 3, "5")
        batch = [{"kind": "test.unserved", "params": {}}]
        assert (await api.http.post("/jobs", json={"jobs": batch, "atomic": True})).status_code == 429
        async with client_of(api, "other") as other:
            assert (await submitted(other)).status_code == 202
            said = (await other.post("/jobs", json={"jobs": batch * 3})).json()
            assert (said["accepted"], [one["status"] for one in said["items"]]) == (2, [202, 202, 429])

        await api.client.cancel(jobs[0])
        await until(accepted)
        usage = (await api.http.get("/projects/self")).json()
        assert (usage["name"], usage["jobs_open"], usage["jobs_limit"]) == ("tester", 3, 3)

        bounded = await api.http.put("/projects/tester", json={"jobs_limit": 4})
        assert bounded.json() == {"name": "tester", "jobs_limit": 4, "files_limit_bytes": None}
        await until(accepted)
        assert (await submitted()).status_code == 429
        assert (await api.http.put("/projects/tester", json={"jobs_limit": 0})).json()["jobs_limit"] is None
        await until(accepted)
        listed = (await api.http.get("/projects")).json()["items"]
        assert [(one["name"], one["jobs_limit"]) for one in listed] == [("other", 3), ("tester", None)]

        before = await open_jobs("tester")
        await api.client.submit("test.follow", {"folder": "/tmp"})  # one is blocked, two are queued
        runs, ended, _ = [await api.client.submit("test.say", {"text": "x"}, delay_s=60) for _ in range(3)]
        await JobRecord.filter(id=runs["id"]).update(state="running")
        await api.client.cancel(ended["id"])
        assert (await open_jobs("tester"), await open_jobs("other"), await open_jobs("tester", 4)) == (before + 5, 3, 4)
        assert await open_jobs("nobody") == 0


async def test_no_more_bytes_of_files_than_a_project_may_have(settings: Settings) -> None:
    async def streamed() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b"0123456789"

    async with open_service(settings.model_copy(update={"files_bytes_per_project": 100})) as api:
        assert (await api.http.post("/files?name=a", content=b"x" * 60)).status_code == 201
        for body in ({"content": b"x" * 60}, {"content": streamed()}, {"files": {"file": ("b", b"x" * 60)}}):
            answer = await api.http.post("/files?name=b", **body)
            assert (answer.status_code, answer.json()["code"]) == (507, "files_quota_exceeded")
            assert answer.json()["left_bytes"] == 40
        assert (await api.http.post("/files?name=b", content=b"x" * 40)).status_code == 201
        usage = (await api.http.get("/projects/self")).json()
        assert (usage["files_bytes"], usage["files_limit_bytes"]) == (100, 100)
        async with client_of(api, "other") as other:
            assert (await other.post("/files?name=b", content=b"x" * 60)).status_code == 201
        await api.http.put("/projects/tester", json={"files_limit_bytes": 200})

        async def fits() -> bool:
            return (await api.http.post("/files?name=c", content=b"x" * 60)).status_code == 201

        await until(fits)
