"""/openapi.json: the API described by itself, OpenAPI 3.1, made of the operations and the kinds that are served."""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from inspect import cleandoc
from typing import Any, Literal

from pydantic import BaseModel, create_model
from pydantic.json_schema import JsonSchemaMode, JsonSchemaValue, models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from arqsvc import __version__
from arqsvc.api.described import SIGNATURE, TAGS, WEBHOOKS, Webhook, codes_of_requests, introduction, title
from arqsvc.api.etag import known
from arqsvc.api.headers import HEADERS, OF_PROBLEMS, QUOTA
from arqsvc.api.idempotency import HEADER
from arqsvc.api.kinds import DIALECT, Schemas, summary
from arqsvc.api.operation import ALWAYS, STREAM, TAG, Answers, Operation
from arqsvc.contract import Health, Job, Problem, StreamEvent
from arqsvc.jobs.declare import Params
from arqsvc.jobs.filters import BEGINNING

BASE = "/api/v1"
IDEMPOTENCY_KEY = {
    "type": "string",
    "pattern": "^[!-~]{1,255}$",
    "description": "Your own name for this request, such as a UUID: sent again with it, the request is answered as the "
    "first time, and done once.",
}
REF = "#/components/schemas/{model}"
SWITCHED = (
    "Switching Protocols.\n\nTo a GET that asks for a WebSocket (`Upgrade: websocket`): each text that comes is one "
    "`StreamEvent`. See Events above."
)
SECURITY: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer KEY`; `arqsvc keys create` makes a key.",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key, in another header."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "arqsvc_session",
        "description": "What a browser has after a one-time link, `POST /session`; it acts for our own pages only. "
        "What is not a GET, and a WebSocket, must bring `Sec-Fetch-Site: same-origin`, or, without that header, an "
        "`Origin` whose host is that of `Host`, as browsers do by themselves; else it is 403. 421 is for a `Host` that "
        "is no name of this service.",
    },
}

ALWAYS_THERE = (Problem, Health, StreamEvent)
"""Answers that no operation names as its own."""
HEALTH: tuple[tuple[str, str, Answers], ...] = (
    ("livez", "Whether the process answers.\n\nNeeds no key.", {200: Health}),
    ("readyz", "Whether all is there to do jobs.\n\nNeeds no key.", {200: Health, 503: Health}),
    (
        "metrics",
        "Numbers for Prometheus.\n\nNeeds no key, unless the operator has said so (`ARQSVC_METRICS`).",
        {200: "text/plain"},
    ),
)
"""What is served beside the operations: the name, what it says, the answers."""


class OpenApi:
    """The document, made when it is first asked for."""

    def __init__(
        self, operations: Sequence[Operation], kinds: Mapping[str, type[Params]], queues: Sequence[str]
    ) -> None:
        self._operations, self._kinds, self._queues = operations, kinds, queues
        self._body = b""
        self._etag = ""

    async def answer(self, request: Request) -> Response:
        """GET /openapi.json: needs no key, and tells nothing but what is served; `If-None-Match` is heeded."""
        if not self._body:  # two that come first at the same time both make it, and make the same
            self._body, self._etag = await asyncio.to_thread(self._made)
        headers = {"ETag": self._etag, "Cache-Control": "no-cache"}
        whole = Response(self._body, headers=headers, media_type="application/json")
        return known(request, self._etag, headers) or whole

    def _made(self) -> tuple[bytes, str]:
        body = json.dumps(document(self._operations, self._kinds, self._queues), ensure_ascii=False).encode()
        return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def document(
    operations: Sequence[Operation], kinds: Mapping[str, type[Params]], queues: Sequence[str]
) -> dict[str, Any]:
    """Return the whole document as JSON values.

    Args:
        operations: what the API does below `/api/v1`.
        kinds: the kinds of jobs that are served, by name.
        queues: the names of the queues that there are.
    """
    described = _Described(operations, kinds, queues)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": DIALECT,
        "info": {
            "title": "arqsvc",
            "version": __version__,
            "summary": "Submit jobs, watch them live, fetch what they made.",
            "description": introduction(operations),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": BASE}],
        "tags": [{"name": name, "description": TAGS.get(name, "")} for name in described.tags()],
        "paths": described.paths(),
        "webhooks": {hook.name: described.webhook(hook) for hook in WEBHOOKS},
        "components": {
            "schemas": described.schemas,
            "responses": described.problems(),
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
        "security": [{name: []} for name in SECURITY],
    }


class _Described:
    """The parts of the document, over one set of schemas that all of them refer to."""

    def __init__(
        self, operations: Sequence[Operation], kinds: Mapping[str, type[Params]], queues: Sequence[str]
    ) -> None:
        self._names = {"kind": sorted(kinds), "queue": sorted(queues)}
        self._operations = [one for each in operations for one in _each_kind(each, kinds, queues)]
        models: set[tuple[type[BaseModel], JsonSchemaMode]] = {(each, "serialization") for each in ALWAYS_THERE}
        for one, kind in self._operations:
            models |= {(model, "serialization") for model in one.answers.values() if isinstance(model, type)}
            models |= {(model, "validation") for model in (one.body, one.query, kind) if isinstance(model, type)}
            models |= {(kind.result, "serialization")} if kind else set()
        models |= {(hook.message, "serialization") for hook in WEBHOOKS}
        ordered = sorted(models, key=lambda pair: (pair[0].__module__, pair[0].__qualname__, pair[1]))
        refs, defs = models_json_schema(ordered, ref_template=REF, schema_generator=Schemas)
        self._refs: Mapping[Any, JsonSchemaValue] = refs
        self.schemas: dict[str, Any] = defs["$defs"]

    def tags(self) -> list[str]:
        """Return the names of the tags that some operation has, in the order of their descriptions."""
        used = {_tag(one) for one, _ in self._operations} | {"health"}
        return [name for name in TAGS if name in used] + sorted(used - TAGS.keys())

    def paths(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for one, kind in self._operations:
            found.setdefault(one.path, {})[one.method.lower()] = self._operation(one, kind)
        for name, doc, answers in HEALTH:
            found.setdefault(f"/{name}", {"get": self._health(name, doc, answers)})
        return dict(sorted(found.items()))

    def problems(self) -> dict[str, Any]:
        """Return the response of each status that a problem may have."""
        statuses = {*ALWAYS, *(status for one, _ in self._operations for status in _problems(one))}
        return {
            f"Problem{status}": {
                "description": "\n".join(
                    [title(status), "", *(each.line for each in codes_of_requests() if each.status == status)]
                ),
                **_headers((*OF_PROBLEMS.get(status, ()), *(QUOTA if status != HTTPStatus.UNAUTHORIZED else ()))),
                "content": {"application/problem+json": {"schema": self._ref(Problem)}},
            }
            for status in sorted(statuses)
        }

    def webhook(self, hook: Webhook) -> dict[str, Any]:
        return {
            "post": {
                "operationId": f"on.{hook.name}",
                "summary": summary(hook.doc),
                "description": hook.doc,
                "tags": ["webhooks"],
                "parameters": [
                    {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": said}
                    for name, said in SIGNATURE.items()
                ],
                "requestBody": {"required": True, "content": {"application/json": {"schema": self._ref(hook.message)}}},
                "responses": {"2XX": {"description": "Taken."}},
            }
        }

    def _operation(self, one: Operation, kind: type[Params] | None) -> dict[str, Any]:
        doc = one.doc if kind is None else f"{_doc(kind)}\n\n{one.doc}"
        described: dict[str, Any] = {
            "operationId": one.name,
            "summary": summary(doc),
            "description": f"{doc}\n\n{_needs(one)}",
            "tags": [_tag(one)],
            **({"x-scope": one.scope.value} if one.scope else {}),
            **({"security": []} if one.public else {}),
            "parameters": [*self._in_path(one.path), *self._in_query(one.query), *_in_headers(one)],
            "responses": {str(status): self._answer(one, status) for status in sorted(one.answers)},
        }
        if one.body is not None:
            described["requestBody"] = self._body(one)
        if kind is not None:
            described |= {
                "x-kind": kind.kind,
                "x-params": self._ref(kind, "validation"),
                "x-result": self._ref(kind.result),
            }
        if STREAM in one.answers.values():
            described["responses"]["101"] = {"description": SWITCHED}
        for status in _problems(one):
            described["responses"][str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
        return described

    def _body(self, one: Operation) -> dict[str, Any]:
        if isinstance(one.body, type):
            content: dict[str, Any] = {"schema": self._ref(one.body, "validation")}
            if one.examples:
                content["examples"] = {name: {"value": value} for name, value in one.examples.items()}
            return {"required": one.body_needed, "content": {"application/json": content}}
        assert one.body
        return {"required": one.body_needed, "content": {media: {"schema": each} for media, each in one.body.items()}}

    def _answer(self, one: Operation, status: int) -> dict[str, Any]:
        described = {**self._response(status, one.answers[status]), **_headers(one.headers_with(status))}
        if status == HTTPStatus.OK and one.media:
            described["content"] |= {media: {"schema": {"type": "string"}} for media in one.media}
        return described

    def _response(self, status: int, answer: type[BaseModel] | str | None) -> dict[str, Any]:
        described: dict[str, Any] = {"description": _meaning(status, answer)}
        if isinstance(answer, type):
            described["content"] = {"application/json": {"schema": self._ref(answer)}}
        elif answer is not None:
            of_stream = {"schema": {**self._ref(StreamEvent), "description": "The `data` of each event."}}
            described["content"] = {answer: of_stream if answer == STREAM else {}}
        return described

    def _health(self, name: str, doc: str, answers: Answers) -> dict[str, Any]:
        return {
            "operationId": f"health.{name}", "summary": summary(doc), "description": doc,
            "tags": ["health"], "security": [], "parameters": [],
            "responses": {str(status): self._response(status, answer) for status, answer in answers.items()},
        }  # fmt: skip

    def _in_path(self, path: str) -> list[dict[str, Any]]:
        return [
            {"name": name, "in": "path", "required": True, "schema": self._path_schema(name)}
            for name in re.findall(r"{(\w+)", path)
        ]

    def _in_query(self, query: type[BaseModel] | None) -> list[dict[str, Any]]:
        if query is None:
            return []
        schema = self.schemas[self._ref(query, "validation")["$ref"].rpartition("/")[2]]
        needed = set(schema.get("required", ()))
        return [
            {"name": name, "in": "query", "required": name in needed, **self._query_parameter(name, member)}
            for name, member in schema.get("properties", {}).items()
        ]

    def _query_parameter(self, name: str, member: Mapping[str, Any]) -> dict[str, Any]:
        """Return a parameter of a query: a list has commas between its parts; of tags, each is one of its own."""
        described = _parameter(member)
        schema = described["schema"]
        if schema.get("type") == "array":
            if name in self._names and schema["items"] == {"type": "string"}:
                schema["items"] = {"type": "string", "enum": self._names[name]}
            elif name == "kind":  # one that there is, or the beginning of one
                known = {"type": "string", "enum": self._names[name]}
                schema["items"] = {"anyOf": [known, {"type": "string", "pattern": BEGINNING}]}
            schema.setdefault("minItems", 1)  # none at all cannot be written
            return {**described, "style": "form", "explode": False}
        if schema.get("type") == "object":
            schema["propertyNames"] = {"pattern": f"^{re.escape(TAG)}."}
            return {**described, "style": "form", "explode": True}
        return described

    def _path_schema(self, name: str) -> dict[str, Any]:
        if name in self._names:
            return {"type": "string", "enum": self._names[name]}
        return {"type": "string", "format": "uuid"} if name.endswith("id") else {"type": "string", "minLength": 1}

    def _ref(self, model: type[BaseModel], mode: JsonSchemaMode = "serialization") -> dict[str, Any]:
        return dict(self._refs[model, mode])


def _each_kind(
    one: Operation, kinds: Mapping[str, type[Params]], queues: Sequence[str]
) -> Iterator[tuple[Operation, type[Params] | None]]:
    """Yield an operation as it is; one that takes the parameters of a kind, once for each kind, with their types."""
    takes = isinstance(one.body, type) and "params" in one.body.model_fields and "{kind}" in one.path
    if not takes:
        yield one, None
        return
    for name in sorted(kinds):
        yield _of_kind(one, kinds[name], queues), kinds[name]


def _of_kind(one: Operation, kind: type[Params], queues: Sequence[str]) -> Operation:
    """Return an operation that takes the parameters of any kind as that of one: with its types and its examples."""
    assert isinstance(one.body, type)
    make: Any = create_model  # the types of its fields are known only here
    name = "".join(part.capitalize() for part in re.split("[^A-Za-z0-9]", kind.kind))
    fields: dict[str, Any] = {"params": (kind, ...)}
    if "queue" in one.body.model_fields:
        fields["queue"] = (Literal[tuple(queues)] | None, one.body.model_fields["queue"])
    body = make(f"{name}Submission", __base__=one.body, __doc__=f"An order of {kind.kind}.", **fields)

    def typed(title: str, answer: Any) -> Any:
        return make(
            title, __base__=answer, __doc__=answer.__doc__,
            kind=(Literal[kind.kind], ...), params=(kind, ...), result=(kind.result | None, ...),
        )  # fmt: skip

    answers = {
        status: typed(f"{name}{answer.__name__}", answer)
        if isinstance(answer, type) and issubclass(answer, Job)
        else answer
        for status, answer in one.answers.items()
    }
    return replace(
        one,
        name=f"{one.name}.{kind.kind}",
        path=one.path.replace("{kind}", kind.kind),
        body=body,
        answers=answers,
        examples={str(number): {"params": dict(each)} for number, each in enumerate(kind.example_params, 1)},
    )


def _parameter(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema as a parameter, which is there or not, but never null."""
    arms = [arm for arm in schema.get("anyOf", ()) if arm != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in {"anyOf", "title", "description", "default"}}
    if schema.get("default") is not None:
        rest["default"] = schema["default"]
    bare = {**rest, **(arms[0] if len(arms) == 1 else {"anyOf": arms} if arms else {})}
    return {"schema": bare} | ({"description": schema["description"]} if "description" in schema else {})


def _in_headers(one: Operation) -> list[dict[str, Any]]:
    headers = {**one.headers, HEADER: IDEMPOTENCY_KEY} if one.keeps else one.headers
    return [{"name": name, "in": "header", "required": False, **_parameter(each)} for name, each in headers.items()]


def _headers(names: Iterable[str]) -> dict[str, Any]:
    """Return the part of a response that says what headers it has."""
    found = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"headers": found} if found else {}


def _problems(one: Operation) -> list[int]:
    """Return the statuses of the problems that an operation may answer."""
    of_body = (413, 415) if isinstance(one.body, type) else ()
    always = {422, 503} if one.public else ALWAYS
    return sorted({*always, *one.errors, *of_body} - one.answers.keys())


def _needs(one: Operation) -> str:
    """Return what a key must have for an operation, in words."""
    if one.public:
        return "Needs no key."
    return f"Scope: `{one.scope.value}`." if one.scope else "Any key may."


def _meaning(status: int, answer: type[BaseModel] | str | None) -> str:
    return summary(cleandoc(answer.__doc__ or "")) if isinstance(answer, type) else title(status)


def _tag(one: Operation) -> str:
    return one.name.partition(".")[0]


def _doc(kind: type[Params]) -> str:
    return cleandoc(kind.__doc__ or "")
