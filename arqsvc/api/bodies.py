"""What requests carry, as declared types: bodies, bounded and JSON; queries."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from arqsvc.api.problems import fault, invalid
from arqsvc.errors import TooLarge

BODY_LIMIT_BYTES = 1024 * 1024
M = TypeVar("M", bound=BaseModel)


class Reason(BaseModel):
    """The body of what ends jobs: why."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(default=None, max_length=255)


async def body_as(model: type[M], request: Request, *, empty: Any = None) -> M:
    """Return the body of a request as this type; `empty`, unless it is None, stands for a body of no bytes.

    Raises:
        InvalidParams: it is no JSON, or does not fit; each fault with a JSON Pointer.
        TooLarge: it is over its limit.
    """
    try:
        return model.model_validate(await _json(request, empty))
    except ValidationError as error:
        raise invalid(error) from error


def query_as(model: type[M], request: Request) -> M:
    """Return the query of a request as this type.

    Raises:
        InvalidParams: it does not fit; each fault with the name of its parameter.
    """
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise invalid(error) from error


async def _json(request: Request, empty: Any) -> Any:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise TooLarge(f"The body is larger than the limit of {BODY_LIMIT_BYTES:,} bytes. Send data as a file.")
    if not body and empty is not None:
        return empty
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise fault("", f"the body is not JSON: {error}") from error
    if _holds_nul(value):
        raise fault("", "the body holds the character U+0000, which cannot be stored")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_nul(member) for pair in value.items() for member in pair)
    return any(map(_holds_nul, value)) if isinstance(value, list) else isinstance(value, str) and "\0" in value
