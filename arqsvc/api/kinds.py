"""GET /api/v1/kinds: each kind of job, what it takes and gives, where it waits, and how often it is tried."""

from dataclasses import asdict
from functools import lru_cache
from inspect import cleandoc
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DictSchema
from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.held import of
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.contract import Kind, KindLimit, KindList, KindRetries, KindStep
from arqsvc.errors import UnknownKind
from arqsvc.jobs.declare import Params
from arqsvc.jobs.new import routed


class Schemas(GenerateJsonSchema):
    """Says of objects whose names must fit a pattern that they have no others, which pydantic leaves open."""

    def dict_schema(self, schema: DictSchema) -> JsonSchemaValue:
        """Return the schema of a dict."""
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made


DIALECT = "https://json-schema.org/draft/2020-12/schema"


@operation("kinds.list", "GET", "/kinds", Scope.READ, {200: KindList})
async def list_kinds(request: Request, caller: Caller) -> Response:
    """List the kinds of jobs, each with the schemas of its parameters and its result."""
    known = of(request).params
    return reply(KindList(items=[_shown(request, known[name]) for name in sorted(known)]))


@operation("kinds.show", "GET", "/kinds/{kind}", Scope.READ, {200: Kind}, errors=(404,))
async def show_kind(request: Request, caller: Caller) -> Response:
    """Return one kind of job: schemas, queue, limits, retries and steps; enough to make a form of."""
    name, known = request.path_params["kind"], of(request).params
    if name not in known:
        raise UnknownKind(f"There is no kind of job {name[:100]!r}. GET /api/v1/kinds lists them.")
    return reply(_shown(request, known[name]))


def _shown(request: Request, params: type[Params]) -> Kind:
    routes = of(request).infra.settings.routed
    return _described(params).model_copy(update={"queue": routed(params, routes)})


@lru_cache(maxsize=1024)  # a class does not change, and its schema takes about a millisecond
def _described(params: type[Params]) -> Kind:
    doc, examples = cleandoc(params.__doc__ or ""), [dict(one) for one in params.example_params]
    return Kind(
        kind=params.kind,
        summary=summary(doc),
        description=doc,
        queue=params.queue,
        priority=params.priority,
        timeout_s=params.timeout_s,
        soft_timeout_s=params.soft_timeout_s,
        no_progress_s=params.no_progress_s,
        memory_bytes=params.memory_bytes,
        retries=KindRetries(**asdict(params.retries)),
        limits=_limits(params),
        steps=[KindStep(**asdict(step)) for step in params.progress_steps],
        params=_schema(params) | ({"examples": examples} if examples else {}),
        result=_schema(params.result, mode="serialization"),
        examples=examples,
        submit=f"/api/v1/jobs/{params.kind}",
    )


def summary(doc: str) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join(doc.partition("\n\n")[0].split())


def _limits(params: type[Params]) -> list[KindLimit] | None:
    if params.limits is Params.limits:
        return []
    try:
        one = params.model_validate(params.example_params[0] if params.example_params else {})
    except ValidationError:
        return None
    return [KindLimit(**asdict(limit)) for limit in one.limits()]


def _schema(model: type[BaseModel], **how: Any) -> dict[str, Any]:
    return {"$schema": DIALECT, **TypeAdapter(model).json_schema(schema_generator=Schemas, **how)}


OPERATIONS = (list_kinds, show_kind)
