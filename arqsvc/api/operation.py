"""One operation of the API, described once: its route, who may, what it takes and what it answers.

`openapi.py` reads the same description, so that what is documented is what is done.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import getdoc
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from arqsvc.api.audit import audited
from arqsvc.api.bodies import BODY_LIMIT_BYTES, check_is_json, check_storable
from arqsvc.api.gate import authenticate, headers_of
from arqsvc.api.headers import QUOTA, REPLAYED
from arqsvc.api.idempotency import HEADER, once
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.problems import escaped, fault
from arqsvc.api.tickets import admit
from arqsvc.errors import InvalidParams, NotFound

Handler = Callable[[Request, Caller], Awaitable[Response]]
NOBODY = Caller(UUID(int=0), "", "nobody", frozenset(), None)
"""Who calls a public operation."""
Answers = Mapping[int, type[BaseModel] | str | None]
"""By status: the type of the JSON body, the media type of another body, or None for no body."""
ALWAYS = (401, 403, 422, 429, 503)
"""Statuses of problems that every operation may answer."""
TAG = "tag."
"""How the names of query parameters begin that filter by a tag, where there are `tags` in the query."""
STREAM = "text/event-stream"
PRIVATE = "private, no-cache"
"""How long what a key may see is kept on the way, unless the answer says more: by nobody else, and not unasked."""
MAY_KEEP = frozenset({"POST", "PATCH"})
"""Methods that take an `Idempotency-Key`, unless their operation does not."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of one path does."""

    name: str
    """Such as `jobs.cancel`: the operation's id, and the action in the audit log."""
    method: str
    path: str
    """Below `/api/v1`."""
    scope: Scope | None
    """What the caller's key must have; None where any key will do."""
    handler: Handler
    answers: Answers
    body: type[BaseModel] | Mapping[str, Any] | None = None
    """The type of the JSON body; or by media type the JSON Schema of another body."""
    body_needed: bool = True
    query: type[BaseModel] | None = None
    """The parameters of the query; others are refused."""
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Request headers that it heeds, each with a JSON Schema that has a description."""
    tells: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """By status, the response headers that it sends of its own; `headers.py` describes each."""
    media: Sequence[str] = ()
    """Media types that its 200 has beside JSON, where the request asks for one."""
    public: bool = False
    """Whether it needs no key."""
    errors: tuple[int, ...] = ()
    """Statuses of problems that it may answer beside those that every operation may, `ALWAYS`."""
    by_ticket: bool = False
    """Whether `?ticket=` lets a caller in as well."""
    body_limit_bytes: int = BODY_LIMIT_BYTES
    """Largest JSON body."""
    repeatable: bool = True
    """Whether an `Idempotency-Key` may keep the answer; not where that shows a secret."""
    audited: bool = True
    """Whether the audit log tells of it; what only reads is never told of."""
    examples: Mapping[str, Any] = field(default_factory=dict)
    """Bodies by name; each is accepted as it stands."""

    @property
    def doc(self) -> str:
        """What it does, for people: the first line is the summary."""
        return getdoc(self.handler) or ""

    def route(self) -> Route:
        """Return its route."""
        return Route(self.path, self.answer, methods=[self.method], name=self.name)

    async def answer(self, request: Request) -> Response:
        """Let in who may, and do it."""
        if self.public:
            self._check(request)
            return await self.handler(request, NOBODY)
        caller = await (admit if self.by_ticket else authenticate)(request)
        if self.scope:
            caller.must(self.scope)
        answer = await self._once_or_more(request, caller)
        answer.headers.update(headers_of(request))
        answer.headers.setdefault("Cache-Control", PRIVATE)
        return answer

    async def _once_or_more(self, request: Request, caller: Caller) -> Response:
        self._check(request)
        if isinstance(self.body, type):
            check_is_json(request)
        if HEADER in request.headers and self.method in MAY_KEEP:
            return await once(request, caller, self.body_limit_bytes, lambda: self._do(request, caller))
        return await self._do(request, caller)

    @property
    def keeps(self) -> bool:
        """Whether it takes an `Idempotency-Key`."""
        return self.repeatable and self.method in MAY_KEEP and not isinstance(self.body, Mapping)

    def headers_with(self, status: int) -> Sequence[str]:
        """Return the names of the headers that an answer of its own with this status may have."""
        replayed = (REPLAYED,) if self.keeps and status < 300 else ()
        return (*self.tells.get(status, ()), *replayed, *(() if self.public else ("Cache-Control", *QUOTA)))

    async def _do(self, request: Request, caller: Caller) -> Response:
        if self.audited and self.method != "GET":
            async with audited(caller, self.name, request):
                answer = await self.handler(request, caller)
        else:
            answer = await self.handler(request, caller)
        if request.method == "HEAD" and self.answers.get(answer.status_code) == STREAM:  # its body would never end
            return Response(status_code=answer.status_code, media_type=STREAM)
        return answer

    def _check(self, request: Request) -> None:
        """Refuse a path, a query and a key that it cannot take, before anything is done with them."""
        if HEADER in request.headers and self.method in MAY_KEEP and not self.keeps:
            raise fault(f"/{HEADER}", f"{self.name} takes none: its body is a file, or its answer a secret.")
        if any("\0" in part for part in request.path_params.values()):
            raise NotFound("The path holds the character U+0000, which is in no id and no name.")
        given = request.query_params.multi_items()
        for name, value in given:
            check_storable([name, value], f"/{escaped(name[:100])}")
        if len(request.query_params) < len(given):
            twice = next(name for name, _ in given if len(request.query_params.getlist(name)) > 1)[:100]
            raise fault(
                f"/{escaped(twice)}", f"{twice!r} is given more than once; several values are separated by commas"
            )
        if given:
            self._check_names(request)

    def _check_names(self, request: Request) -> None:
        """Refuse a parameter that it does not know: a filter with a slip of the pen would mean everything."""
        fields = self.query.model_fields if self.query else {}
        known = {field.alias or name for name, field in fields.items()}
        by_tag = TAG if "tags" in known else ()
        if by_tag:
            known = {f"{TAG}NAME" if name == "tags" else name for name in known}
        if unknown := [name for name in request.query_params if name not in known and not name.startswith(by_tag)]:
            has = f"It takes: {', '.join(sorted(known))}." if known else "It takes none."
            raise InvalidParams(
                f"There is no query parameter {unknown[0][:100]!r} here. {has}",
                errors=[{"pointer": f"/{name[:100]}", "detail": "is not a query parameter here"} for name in unknown],
            )


def operation(
    name: str, method: str, path: str, scope: Scope | None, answers: Answers, **described: Any
) -> Callable[[Handler], Operation]:
    """Make the function below it an operation; its docstring is what the documentation says."""

    def described_by(handler: Handler) -> Operation:
        return Operation(name, method, path, scope, handler, answers, **described)

    return described_by


def reply(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with this body."""
    return Response(model.model_dump_json(), status, headers, media_type="application/json")
