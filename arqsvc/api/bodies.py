"""What requests carry, as declared types: bodies, bounded and JSON; queries."""

import json
import math
from itertools import chain
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


async def body_as(model: type[M], request: Request, *, empty: Any = None, limit_bytes: int = BODY_LIMIT_BYTES) -> M:
    """Return the body of a request as this type; `empty`, unless it is None, stands for a body of no bytes.

    Raises:
        InvalidParams: it is no JSON, or does not fit; each fault with a JSON Pointer.
        TooLarge: it is over its limit.
    """
    try:
        return model.model_validate(_json(await body_of(request, limit_bytes), empty))
    except ValidationError as error:
        raise invalid(error) from error


async def body_of(request: Request, limit_bytes: int = BODY_LIMIT_BYTES) -> bytes:
    """Return the body of a request, which is read once.

    Raises:
        TooLarge: it is over its limit.
    """
    read: bytes | None = getattr(request.state, "body", None)
    if read is None:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit_bytes:
                raise TooLarge(f"The body is larger than the limit of {limit_bytes:,} bytes. Send data as a file.")
        read = request.state.body = bytes(body)
    return read


def query_as(model: type[M], request: Request) -> M:
    """Return the query of a request as this type.

    Raises:
        InvalidParams: it does not fit; each fault with the name of its parameter.
    """
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise invalid(error) from error


def _json(body: bytes, empty: Any) -> Any:
    if not body and empty is not None:
        return empty
    try:
        value = DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise fault("", f"the body is not JSON: {error}") from error
    check_storable(value)
    return value


def check_storable(value: Any, pointer: str = "") -> None:
    """Refuse a value of JSON that PostgreSQL does not store.

    Raises:
        InvalidParams: there is such a value in it.
    """
    try:
        why = _unstorable(value)
    except RecursionError:
        why = "arrays and objects too deep in one another"
    if why:
        raise fault(pointer, f"the body holds {why}, which cannot be stored")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _unstorable(value: Any) -> str | None:
    if isinstance(value, str):
        half = not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)
        return "the character U+0000" if "\0" in value else "half of a character" if half else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "a number that is too large"
    within = chain(value, value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(_unstorable, within)), None)


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
"""Reads JSON, and no more than that."""
