"""/openapi.json: whole, valid, true to the routes; and what the API refuses because it is not said there."""

import re
import socket
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import httpx
import jsonschema_rs
import pytest
from pydantic import TypeAdapter
from schemathesis.specs.openapi.definitions import OPENAPI_31
from starlette.routing import BaseRoute, Mount, Route

from arqsvc.api import wes
from arqsvc.api.app import OPERATIONS, create_app
from arqsvc.api.headers import HEADERS
from arqsvc.api.openapi import document
from arqsvc.api.operation import STREAM
from arqsvc.api.problems import error_types
from arqsvc.contract import EventType
from arqsvc.errors import BadSignature, CannotStart, StateInUse
from arqsvc.families import load_params
from arqsvc.jobs.events import Event
from arqsvc.settings import Settings
from tests.flow.kinds import PARAMS
from tests.service import Service

KINDS = {**load_params(), **PARAMS}
API = document(OPERATIONS, KINDS, ["analysis", "downloads", "test", "unserved"])
SCHEMAS = API["components"]["schemas"]
DOCUMENTED = {(method.upper(), path) for path, methods in API["paths"].items() for method in methods}
OPERATION = {one["operationId"]: one for methods in API["paths"].values() for one in methods.values()}
UNDESCRIBED = {"/openapi.json"}
"""Below /api/v1, and not in the document."""


def schema(reference: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of the document that stands alone."""
    return {**reference, "components": {"schemas": SCHEMAS}}


def routes(found: list[BaseRoute], below: str = "") -> Iterator[tuple[str, str]]:
    for route in found:
        if isinstance(route, Mount) and route.path:
            yield from routes(route.routes, below + route.path)
        elif isinstance(route, Route) and route.include_in_schema:
            yield from ((method, below + route.path) for method in (route.methods or set()) - {"HEAD"})


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str):
            yield reference
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for member in value:
            yield from references(member)


def test_it_is_a_valid_description() -> None:
    jsonschema_rs.validate(OPENAPI_31, API)
    assert [name for name, one in SCHEMAS.items() if not jsonschema_rs.meta.is_valid(one)] == []
    for reference in references(API):
        target: Any = API
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def test_every_route_is_described(settings: Settings) -> None:
    found = set(routes(create_app(settings, KINDS).routes))
    below = {(method, path.removeprefix("/api/v1")) for method, path in found if path.startswith("/api/v1/")}
    described = {(method, "/jobs/{kind}" if path[6:] in KINDS else path) for method, path in DOCUMENTED}
    assert {one for one in below if one[1] not in UNDESCRIBED} == described


def test_every_operation_says_what_it_does_for_whom_and_what_comes_back() -> None:
    described = {tag["name"] for tag in API["tags"] if tag["description"]}
    assert len(OPERATION) == len(DOCUMENTED), "ids are unique"
    for name, one in OPERATION.items():
        assert one["summary"], name
        assert set(one["tags"]) <= described, f"{name}: describe its tag in described.py"
        assert one.get("security") == [] or one.get("x-scope", "Any key may.") in one["description"], name
        assert any(status < "400" for status in one["responses"]), name
    for name, kind in KINDS.items():
        submit = OPERATION[f"jobs.submit.{name}"]
        assert submit["summary"] == " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        assert submit["x-result"]["$ref"].rpartition("/")[2] in SCHEMAS


def test_no_answer_that_shows_a_secret_is_kept() -> None:
    for one in (*OPERATIONS, *wes.OPERATIONS):
        shown = [
            TypeAdapter(model).json_schema(mode="serialization")
            for model in one.answers.values()
            if isinstance(model, type)
        ]
        secret = {"secret", "ticket"} & {name for each in shown for name in members(each)}
        assert not (one.keeps and secret), one.name
    assert {"webhooks.rotate_secret", "events.ticket"} <= {one.name for one in OPERATIONS if not one.keeps}


def members(schema: Any) -> Iterator[str]:
    """Yield the names of all members that a JSON Schema has, at any depth."""
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from members(part)
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        yield from schema["properties"]


def test_every_code_of_a_problem_is_listed_with_its_status() -> None:
    untold = {CannotStart.code, StateInUse.code, BadSignature.code}
    told_of = [error for error in error_types() if error.__module__ == "arqsvc.errors" and error.code not in untold]
    wanted = {(error.code, error.status) for error in told_of}
    wanted |= {("method_not_allowed", 405), ("requested_range_not_satisfiable", 416)}
    told = re.findall(r"^- `(\w+)` \((\d+)\): \w", API["info"]["description"], re.MULTILINE)
    assert {(code, int(status)) for code, status in told} == wanted
    of_429 = API["components"]["responses"]["Problem429"]["description"]
    assert re.findall(r"- `(\w+)`", of_429) == ["rate_limited", "quota_exceeded"]


def test_streams_and_webhooks_are_described_each_with_its_own_messages() -> None:
    assert set(API["webhooks"]) == {*get_args(EventType), "ping"}
    types = set(SCHEMAS["StreamEvent"]["discriminator"]["mapping"])
    assert types == set(get_args(get_type_hints(Event)["type"]))
    for name in ("jobs.events", "events.follow"):
        answers = OPERATION[name]["responses"]
        assert answers["200"]["content"][STREAM]["schema"]["$ref"] == "#/components/schemas/StreamEvent"
        assert "101" in answers


def test_what_takes_no_idempotency_key_is_named() -> None:
    said = API["info"]["description"].partition("These take no such key")[2].partition("\n## ")[0]
    named = set(re.findall(r"^- `(\w+) (\S+)`$", said, re.MULTILINE))
    assert named == {(one.method, one.path) for one in OPERATIONS if one.method in {"POST", "PATCH"} and not one.keeps}
    assert ("POST", "/webhooks") in named
    assert "{" not in re.sub(r"`[^`]*`|```.*?```", "", API["info"]["description"], flags=re.DOTALL)


def described(request: httpx.Request, status: int) -> dict[str, Any]:
    """Return what the document says of an answer to a request: the operation's id, and the answer."""
    path = request.url.path.removeprefix("/api/v1")
    templates = sorted(API["paths"], key=lambda template: template.count("{"))
    (template, *_) = [each for each in templates if re.fullmatch(re.sub("{[^}]+}", "[^/]+", each), path)]
    one = API["paths"][template][request.method.lower()]
    told = one["responses"][str(status)]
    name = told.get("$ref", "").rpartition("/")[2]
    return {"id": one["operationId"], **(API["components"]["responses"][name] if name else told)}


async def test_every_header_that_comes_is_described_for_its_operation(api: Service) -> None:
    seen = set[str]()

    async def look(answer: httpx.Response) -> None:
        told = described(answer.request, answer.status_code)
        came = {name for name in HEADERS if name in answer.headers}
        assert came <= told.get("headers", {}).keys(), (told["id"], answer.status_code)
        seen.update(came)

    api.http.event_hooks["response"].append(look)
    say = {"params": {"text": "x"}, "dedupe": {"key": "one"}}
    for key in ("a", "a", "b"):
        job = (await api.http.post("/jobs/test.say", json=say, headers={"Idempotency-Key": key})).json()["id"]
    await api.http.post("/jobs/test.say", json=say, headers={"Prefer": "wait=0"})
    await api.http.post(f"/jobs/{job}/rerun", headers={"Prefer": "wait=0"})
    for path in ("", "?limit=1", f"/{job}", "/none", f"/{job}/logs", f"/{job}/files", "?limit=many"):
        await api.http.get(f"/jobs{path}")
    listed = await api.http.get("/jobs")
    await api.http.get("/jobs", headers={"If-None-Match": listed.headers["etag"]})
    for verb in ("cancel", "cancel", "retry", "pin"):
        await api.http.post(f"/jobs/{job}/{verb}")
    file = (await api.http.post("/files?name=a.txt", content=b"0123456789")).json()["id"]
    whole = await api.http.get(f"/files/{file}")
    for asked in ({"Range": "bytes=2-3"}, {"Range": "bytes=20-"}, {"If-None-Match": whole.headers["etag"]}):
        await api.http.get(f"/files/{file}", headers=asked)
    hook = (await api.http.post("/webhooks", json={"url": "https://93.184.215.14/"})).json()["id"]
    for path in (f"/webhooks/{hook}/rotate", "/webhooks/secret/rotate", "/tickets"):
        await api.http.post(path)
    for path in ("/webhooks/secret", "/session", "/kinds", "/livez"):
        await api.http.get(path)
    async with api.http.stream("GET", "/events"):
        pass
    await api.http.get("/jobs", headers={"Authorization": "Bearer none"})
    assert seen == set(HEADERS) - {"Retry-After"}


async def test_anybody_may_read_it_and_a_reader_that_has_it_is_told_so(api: Service) -> None:
    async with httpx.AsyncClient(
        base_url=str(api.http.base_url.copy_with(path="/")), trust_env=False, timeout=60
    ) as anybody:
        first = await anybody.get("/openapi.json")
        assert (first.status_code, first.headers["content-type"]) == (200, "application/json")
        assert first.json()["paths"].keys() > {"/jobs/test.say", "/jobs/{id}", "/kinds"}
        again = await anybody.get("/api/v1/openapi.json", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        head = await anybody.head("/openapi.json")
        assert (head.headers["etag"], head.content) == (first.headers["etag"], b"")


async def test_every_example_is_accepted_and_its_answer_is_as_described(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_up(host: str, *asked: Any, **how: Any) -> Any:
        return look_up("93.184.215.14" if host == "example.org" else host, *asked, **how)

    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    tried = set()
    for path, methods in API["paths"].items():
        for method, one in methods.items():
            body = one.get("requestBody", {}).get("content", {}).get("application/json", {})
            for name, example in body.get("examples", {}).items():
                if one.get("x-kind", "test.say") not in PARAMS:
                    continue  # of the kinds of families: in test_kinds.py
                jsonschema_rs.validate(schema(body["schema"]), example["value"])
                job = (await api.http.post("/jobs/test.say", json={"params": {"text": "x"}})).json()["id"]
                address = path.replace("{id}", job).replace("{queue}", "test")
                answer = await api.http.request(method, address, json=example["value"])
                documented = one["responses"].get(str(answer.status_code), {})
                assert answer.is_success, (one["operationId"], name, answer.text)
                told = documented["content"]["application/json"]["schema"]
                jsonschema_rs.validate(schema(told), answer.json())
                tried.add(one["operationId"])
    assert tried >= {"jobs.cancel", "jobs.bulk", "queues.purge", "webhooks.create"}


async def test_a_body_that_says_that_it_is_no_json_is_refused(api: Service) -> None:
    for kind, status in {
        "application/x-www-form-urlencoded": 415,
        "text/plain": 415,
        "Application/JSON; charset=utf-8": 202,
        "application/merge-patch+json": 202,
    }.items():
        answer = await api.http.post(
            "/jobs/test.say", content=b'{"params": {"text": "x"}}', headers={"Content-Type": kind}
        )
        assert answer.status_code == status, kind
        assert status != 415 or answer.json()["code"] == "unsupported_media_type"


async def test_what_is_wrong_is_said_with_what_would_be_right(api: Service) -> None:
    for path, body, detail in (
        ("/jobs/test.say", "{x", "The body is not JSON: Expecting property name enclosed in double quotes: line 1"),
        ("/jobs", "[", "The body is not JSON: "),
        ("/jobs/test.say", '{"params": {"text": "x", "txt": 1}}', "/params/txt: is no member here; there are: text"),
        ("/jobs:bulk", '{"action": "pin", "filter": {"sate": 1}}', "/filter/sate: is no member here; there are: state"),
    ):  # fmt: skip
        answer = await api.http.post(path, content=body)
        assert (answer.status_code, answer.json()["detail"][: len(detail)]) == (422, detail)
    listed = (await api.http.get("/jobs?stat=failed")).json()["detail"]
    assert "tag.NAME" in listed
    assert "tags" not in listed
    assert "tag.NAME" in (await api.http.get("/jobs?tags=x")).json()["detail"]
    job = (await api.http.post("/jobs/test.say", json={"params": {"text": "x"}})).json()["id"]
    told = [(await api.http.post(f"/jobs/{job}/cancel")).json()["state"] for _ in range(2)]
    assert told == ["cancelled", "cancelled"]
    for path in ("/session", "/files", "/tickets"):
        keyed = await api.http.post(path, headers={"Idempotency-Key": "a"})
        assert (keyed.status_code, keyed.json()["errors"][0]["pointer"]) == (422, "/Idempotency-Key"), path


@pytest.mark.parametrize("path", ["/jobs?sate=failed", "/kinds?x=1", "/queues?limit=1", "/audit?limt=3"])
async def test_a_query_parameter_that_nobody_knows_is_refused(api: Service, path: str) -> None:
    answer = await api.http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["pointer"] == "/" + re.split("[?=]", path)[1]


async def test_a_wrong_method_is_answered_with_those_that_there_are(api: Service) -> None:
    job = (await api.http.post("/jobs/test.say", json={"params": {"text": "x"}})).json()["id"]
    for method, path, allowed in (
        ("PUT", "/jobs", {"GET", "HEAD", "POST"}),
        ("GET", "/jobs/test.say", {"POST"}),
        ("DELETE", "/jobs/test.say", {"POST"}),
        ("PATCH", "/jobs/test.say", {"POST"}),
        ("DELETE", "/keys/self", {"GET", "HEAD"}),
        ("PUT", f"/jobs/{job}", {"DELETE", "GET", "HEAD"}),
        ("GET", f"/jobs/{job}/cancel", {"POST"}),
    ):
        answer = await api.http.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), (method, path)
        assert set(answer.headers["allow"].split(", ")) == allowed, (method, path)


async def test_head_of_a_stream_ends_and_a_slash_too_many_leads_back(api: Service) -> None:
    job = (await api.http.post("/jobs/test.say", json={"params": {"text": "x"}})).json()["id"]
    head = await api.http.head(f"/jobs/{job}/events", timeout=5)
    assert (head.status_code, head.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    assert (await api.http.head("/jobs/none/events")).status_code == 404
    slash = await api.http.get("/jobs/")
    assert (slash.status_code, httpx.URL(slash.headers["location"]).path) == (307, "/api/v1/jobs")


async def test_a_range_behind_the_end_is_a_problem_and_one_that_is_none_is_left_aside(api: Service) -> None:
    file = (await api.http.post("/files?name=a.txt", content=b"0123456789")).json()["id"]
    behind = await api.http.get(f"/files/{file}", headers={"Range": "bytes=20-30"})
    assert (behind.status_code, behind.headers["content-range"]) == (416, "bytes */10")
    assert behind.headers["content-type"] == "application/problem+json"
    none = await api.http.get(f"/files/{file}", headers={"Range": "pages=1"})
    assert (none.status_code, none.content) == (200, b"0123456789")
