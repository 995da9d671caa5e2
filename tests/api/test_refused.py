"""What no operation takes, wherever it stands: U+0000, a parameter that is given twice, an id that is none."""

import json
import re
from collections.abc import Iterator

import httpx
from websockets.asyncio.client import connect

from arqsvc.api.app import OPERATIONS
from arqsvc.api.operation import Operation
from tests.service import Service

NIL = "00000000-0000-0000-0000-000000000000"


def path_of(one: Operation, value: str = NIL) -> str:
    """Return a path of an operation, with this in each of its places."""
    return re.sub("{[^}]+}", value, one.path)


def queries(value: str) -> Iterator[tuple[Operation, str]]:
    """Yield each operation with each of its query parameters, and this for its value."""
    for one in OPERATIONS:
        for name, field in (one.query.model_fields if one.query else {}).items():
            if name != "ticket":  # which is looked at before: it is who asks
                yield one, f"{'tag.a' if name == 'tags' else field.alias or name}={value}"


async def refused(api: Service, one: Operation, path: str) -> httpx.Response:
    """Ask for what an operation does not take; it says so, and says nothing of a fault of ours."""
    answer = await api.http.request(one.method, path)
    assert 400 <= answer.status_code < 500, (one.name, path, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer


async def test_no_operation_takes_the_character_that_is_not_stored(api: Service) -> None:
    for one in OPERATIONS:
        if (path := path_of(one, "%00")) != one.path:
            assert (await refused(api, one, path)).status_code == 404, path
    for one, query in queries("a%00b"):
        answer = await refused(api, one, f"{path_of(one)}?{query}")
        assert answer.status_code == 422, (one.name, query)
        assert answer.json()["errors"][0] == {
            "pointer": f"/{query.partition('=')[0]}", "detail": "holds the character U+0000, which cannot be stored"
        }  # fmt: skip
    assert (await api.http.get("/jobs?tag.%00=x")).status_code == 422


async def test_no_operation_takes_a_parameter_twice(api: Service) -> None:
    for one, query in queries("1"):
        answer = await refused(api, one, f"{path_of(one)}?{query}&{query}")
        assert (answer.status_code, "more than once" in answer.json()["detail"]) == (422, True), (one.name, query)


async def test_a_socket_outlives_a_message_that_cannot_be_looked_for(api: Service) -> None:
    url = api.client.url.replace("http", "ws") + "/api/v1/events"
    async with connect(url, additional_headers={"X-API-Key": api.key}, proxy=None) as socket:
        for wrong in ({"filter": {"tags": {"a": "x\0"}}, "after": "snapshot"}, {"filter": {"tags": {"\0": "x"}}}):
            await socket.send(json.dumps(wrong))
            told = json.loads(await socket.recv())
            assert (told["type"], told["data"]["code"]) == ("error", "invalid_params")
            assert "U+0000" in told["data"]["detail"]
        await socket.send('{"filter": {}}')
        assert json.loads(await socket.recv())["type"] == "hello"


async def test_an_id_that_is_none_names_nothing(api: Service) -> None:
    for method, path in (
        ("GET", "jobs"), ("GET", "files"), ("DELETE", "keys"), ("GET", "webhooks"), ("POST", "deliveries"),
    ):  # fmt: skip
        for name in ("nonsense", NIL):
            answer = await api.http.request(method, f"/{path}/{name}{'/redeliver' if path == 'deliveries' else ''}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
            assert name in answer.json()["detail"]
