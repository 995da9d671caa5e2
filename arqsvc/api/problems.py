"""Errors -> application/problem+json (RFC 9457), and the page that says what a problem's `type` means."""

import logging
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from inspect import getdoc
from math import ceil
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.websockets import WebSocket

from arqsvc.api.gate import headers_of
from arqsvc.errors import ArqsvcError, InvalidParams, NotFound, Retryable, SourceUnavailable

logger = logging.getLogger(__name__)

TRACE_ID = "arqsvc.trace_id"
"""Where the scope of a request has the id of its trace, if it has one."""
REFUSAL = "arqsvc.refusal"
"""Where the scope of a request has what makes an answer of a problem, where its clients expect another than ours."""
OF_HTTP = {
    HTTPStatus.METHOD_NOT_ALLOWED: "The path has other methods; the header `Allow` names them.",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "The file has no bytes in this `Range`; `Content-Range` says how many "
    "it has.",
}
"""What HTTP itself has a word for, and no error of ours; `type` is `about:blank`."""
INTERNAL_DETAIL = "Something went wrong here, not with your request. The operator finds the cause in the log."


class ProblemResponse(JSONResponse):
    """A problem document."""

    media_type = "application/problem+json"


def invalid(error: ValidationError, *, at: str = "", model: type[BaseModel] | None = None) -> InvalidParams:
    """Return pydantic's faults as one error, each with a JSON Pointer below `at`.

    Args:
        error: what pydantic says.
        at: where what it looked at stands in the body.
        model: what that was to be; of a member that is none, the error names those that there are.
    """
    faults = [
        {
            "pointer": at + "".join(f"/{escaped(part)}" for part in fault["loc"]),
            "detail": _no_member(model, fault["loc"][:-1])
            if fault["type"] == "extra_forbidden"
            else fault["msg"].removeprefix("Value error, "),
        }
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    first = faults[0]
    more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
    return InvalidParams(f"{first['pointer'] or '/'}: {first['detail'].rstrip('.')}{more}.", errors=faults)


def _no_member(model: type[BaseModel] | None, path: Sequence[int | str]) -> str:
    """Return what to say of a member that the object at this path has not; names those that it has, if it is known."""
    known = [model] if model else []
    for part in path:
        fields = known[0].model_fields if len(known) == 1 else {}
        if inner := [field for name, field in fields.items() if part in {name, field.alias}]:
            known = _models(inner[0].annotation)
    if len(known) != 1:
        return "is no member here"
    names = (field.alias or name for name, field in known[0].model_fields.items())
    return f"is no member here; there are: {', '.join(names)}"


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the types of objects in an annotation, such as that of the items of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in get_args(annotation) for model in _models(each)]


def fault(pointer: str, detail: str) -> InvalidParams:
    """Return one fault of a request as an error; an empty pointer is for the whole body."""
    told = f"{pointer}: {detail}" if pointer else f"{detail[0].upper()}{detail[1:]}"
    return InvalidParams(told, errors=[{"pointer": pointer, "detail": detail}])


def escaped(part: str | int) -> str:
    """Return a member's name, or an index, as a part of a JSON Pointer."""
    return str(part).replace("~", "~0").replace("/", "~1")


async def on_error(request: Request | WebSocket, error: Exception) -> Response:
    """Answer with the problem document of an error of ours."""
    assert isinstance(error, ArqsvcError)
    return _answer(request, error.problem(), headers_with(request, error))


def headers_with(request: Request | WebSocket, error: ArqsvcError) -> dict[str, str]:
    """Return what an error says in headers."""
    headers = headers_of(request)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Retryable):
        headers["Retry-After"] = str(ceil(error.delay_s or 5))
    return headers


async def on_http_exception(request: Request | WebSocket, error: Exception) -> Response:
    """Answer with a problem document for what Starlette itself refuses."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    problem = {
        "type": "about:blank",
        "title": phrase,
        "status": error.status_code,
        "code": code_of(error.status_code),
        "detail": f"{_method(request)} {request.url.path}: {error.detail or phrase}.",
    }
    return _answer(request, problem, dict(error.headers or {}))


def code_of(status: int) -> str:
    """Return the code of a problem that says no more than its status."""
    return HTTPStatus(status).phrase.lower().replace(" ", "_")


async def on_unavailable(request: Request | WebSocket, error: Exception) -> Response:
    """Answer 503 while the database is away."""
    logger.warning("a request found no database", extra={"error": f"{type(error).__name__}: {error}"})
    return await on_error(request, SourceUnavailable("The database does not answer. Try again soon.", delay_s=2))


async def on_gone(request: WebSocket, error: Exception) -> None:
    """Say nothing to who left while a WebSocket was opened."""


async def on_bug(request: Request | WebSocket, error: Exception) -> Response:
    """Log what nobody expected; outside it says only that."""
    logger.error("a request failed", exc_info=error, extra={"method": _method(request), "path": request.url.path})
    return _answer(request, ArqsvcError(INTERNAL_DETAIL).problem(), {})


def _method(request: Request | WebSocket) -> str:
    return str(request.scope.get("method", "WebSocket"))


def _answer(request: Request | WebSocket, problem: dict[str, Any], headers: dict[str, str]) -> Response:
    headers = {**headers_of(request), **headers}
    if refusal := request.scope.get(REFUSAL):
        answer: Response = refusal(problem, headers)
        return answer
    traced = {"trace_id": request.scope[TRACE_ID]} if TRACE_ID in request.scope else {}
    return ProblemResponse({**problem, "instance": request.url.path, **traced}, problem["status"], headers)


async def describe(request: Request) -> Response:
    """GET /problems/{code}: what a problem's type means, in words."""
    code = request.path_params["code"]
    for cls in error_types():
        if cls.code == code:
            return PlainTextResponse(f"{cls.title} ({cls.status})\n\n{getdoc(cls)}\n")
    raise NotFound(f"There is no problem type {code!r}.")


def error_types(cls: type[ArqsvcError] = ArqsvcError) -> Iterator[type[ArqsvcError]]:
    """Yield an error with all below it in the tree."""
    yield cls
    for sub in cls.__subclasses__():
        yield from error_types(sub)
