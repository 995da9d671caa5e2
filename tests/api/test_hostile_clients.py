"""Clients that are hostile or merely clumsy: each is told what is wrong, and nothing of it stays here."""

import asyncio
import json
import logging
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from arqsvc.api import connection
from arqsvc.cli import instance
from arqsvc.settings import Settings
from tests.service import Service, open_service
from tests.waiting import until

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@asynccontextmanager
async def connected(api: Service, said: str | bytes = b"") -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    """Open a connection and say this at once."""
    place = urlsplit(api.client.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        writer.write(said if isinstance(said, bytes) else said.encode())
        yield reader, writer
    finally:
        writer.close()


def head(api: Service, path: str, method: str = "GET", more: str = "") -> str:
    """Return how a request begins."""
    return f"{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {api.key}\r\n{more}\r\n"


def problem_in(answer: bytes) -> dict[str, Any]:
    """Return the problem document that an answer is."""
    headers, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in headers.lower(), answer
    problem: dict[str, Any] = json.loads(body)
    assert headers.startswith(f"HTTP/1.1 {problem['status']} ".encode())
    return problem


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged as if something were wrong here."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "body",
    [
        f'{{"params": {{"text": {"[" * 300}1{"]" * 300}}}}}',
        "[" * 100_000,
        '{"\\ud800": 1}',
        '{"jobs": [1], "\\ud800": 1}',
        '{"params": {"text": "x"}, "webhook": "https://xn--a/"}',
    ],
    ids=range(5),
)
async def test_json_that_nothing_can_be_made_of_is_refused(api: Service, body: str) -> None:
    for path in ("/jobs/test.say", "/jobs", "/jobs:bulk", "/webhooks", "/session", "/keys"):
        answer = await api.http.post(path, content=body)
        no_host = path == "/jobs/test.say" and "xn--a" in body  # elsewhere the body does not come so far
        code = "address_refused" if no_host else "invalid_params"
        assert (answer.status_code, answer.json()["code"]) == (422, code), path


async def test_an_origin_that_is_no_address_is_another_site(api: Service) -> None:
    bad = {"Origin": "http://["}
    assert (await api.http.post("/session", json={"token": "x"}, headers=bad)).status_code == 403
    cookie = {**bad, "Cookie": "arqsvc_session=x", "Authorization": ""}
    assert (await api.http.post("/tickets", headers=cookie)).status_code == 403


async def test_what_a_key_may_see_is_kept_by_nobody_else(api: Service) -> None:
    for path in ("/jobs", "/jobs/counts", "/files", "/keys/self"):
        said = (await api.http.get(path)).headers["cache-control"]
        assert said in {"private, no-cache", "no-store"}, path


async def test_a_socket_that_is_refused_is_told_why_and_is_no_error_here(
    api: Service, caplog: pytest.LogCaptureFixture
) -> None:
    url = api.client.url.replace("http", "ws")
    for path, status in {"/api/v1/events": 401, "/api/v1/jobs": 404, "/nowhere": 404}.items():
        with pytest.raises(InvalidStatus) as refused:
            await connect(url + path, proxy=None)
        answer = refused.value.response
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    async with connect(f"{url}/api/v1/events", additional_headers={"X-API-Key": api.key}, proxy=None) as socket:
        await socket.send(b"\xff", text=True)
        await socket.wait_closed()
        assert socket.close_code == 1007
    assert errors(caplog) == []


async def test_a_filter_in_the_address_of_a_socket_is_refused_and_says_where_it_goes(api: Service) -> None:
    url = api.client.url.replace("http", "ws") + "/api/v1/events?kind=test.say"
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, additional_headers={"X-API-Key": api.key}, proxy=None)
    said = json.loads(refused.value.response.body or b"")
    assert (said["status"], said["errors"][0]["pointer"]) == (422, "/kind")
    assert '{"filter"' in said["detail"]


async def test_who_leaves_while_a_socket_is_opened_leaves_nothing(
    api: Service, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        async with connected(api, head(api, "/events", more=UPGRADE)) as (_, writer):
            writer.transport.abort()
    await until(lambda: api.hub.streams == 0)
    async with connected(api, head(api, "/events", more=UPGRADE)) as (reader, _):
        assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
    await until(lambda: api.hub.streams == 0)

    async def none_counted() -> bool:
        return 'arqsvc_api_streams_open{transport="websocket"} 0' in (await api.http.get("/metrics")).text

    await until(none_counted)
    assert not [said for said in errors(caplog) if "database" in said]


async def test_who_asks_more_behind_a_stream_and_leaves_ends_the_stream(api: Service) -> None:
    async with connected(api, head(api, "/events") + head(api, "/jobs") + head(api, "/jobs")) as (reader, writer):
        await reader.readuntil(b"event: hello")
        writer.transport.abort()

    async def ended() -> bool:  # what is not read is noticed once something is told
        await api.client.submit("test.say", {"text": "x"})
        return api.hub.streams == 0

    await until(ended)


@pytest.mark.parametrize("said", [b"X: ", b"X: y\r\n"], ids=["one", "many"])
async def test_headers_without_an_end_are_not_kept(api: Service, said: bytes) -> None:
    endless = (b"GET /livez HTTP/1.1\r\n" + said * connection.HEAD_BYTES)[: connection.HEAD_BYTES + 1]
    async with connected(api, endless) as (reader, _):
        assert problem_in(await reader.read())["status"] == 431


async def test_a_chunk_that_does_not_begin_ends_its_upload(api: Service) -> None:
    incoming = api.settings.storage / "incoming"
    async with connected(api, head(api, "/files", "POST", "Transfer-Encoding: chunked\r\n")) as (reader, writer):
        await until(lambda: incoming.exists() and any(incoming.iterdir()))
        writer.write(b"1;".ljust(connection.HEAD_BYTES + 1, b"x"))
        assert await reader.read() == b""
    await until(lambda: not any(incoming.iterdir()))


async def test_who_does_not_come_to_the_point_is_let_go(api: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.3)
    slow = head(api, "/files?name=slow", "POST", "Content-Length: 5\r\n")
    async with (
        connected(api) as (silent, _),
        connected(api, "GET /livez HTTP/1.1\r\nX: ") as (half, _),
        connected(api, head(api, "/livez")) as (second, going_on),
        connected(api, slow) as (upload, uploading),
    ):
        await second.readuntil(b'"ok"}')
        going_on.write(b"GET /livez HTTP/1.1\r\n")
        assert await silent.read() == b""
        assert problem_in(await half.read())["status"] == 408
        assert problem_in(await second.read())["status"] == 408
        await asyncio.sleep(1)  # a body may take its time
        uploading.write(b"hello")
        assert (await upload.readline()).startswith(b"HTTP/1.1 201 ")


async def test_what_had_not_come_whole_when_the_service_stops_is_told_to_come_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(instance, "SHUTDOWN_S", 1)
    async with AsyncExitStack() as clients:
        async with open_service(settings) as api:
            begun = [head(api, path, "POST", "Content-Length: 99\r\n") + "{" for path in ("/files", "/jobs/test.say")]
            opened = [await clients.enter_async_context(connected(api, one)) for one in begun]
            await until(lambda: len(list((settings.storage / "incoming").iterdir())) == 1)
        answers = [await reader.read() for reader, _ in opened]
    assert [problem_in(answer)["status"] for answer in answers] == [503, 503]
    assert all(b"retry-after: 5" in answer.lower() for answer in answers)
    assert list((settings.storage / "incoming").iterdir()) == []
    assert not [record for record in caplog.records if record.exc_info]
    assert not [said for said in errors(caplog) if "could not be written down" in said]
