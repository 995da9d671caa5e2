"""What requests carry, as declared types: bodies, bounded and JSON; queries; the id in a path."""

import json
import math
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, HTTPConnection, Request

from arqsvc.api.problems import escaped, fault, invalid
from arqsvc.errors import InvalidParams, TooLarge, WrongMediaType

BODY_LIMIT_BYTES = 1024 * 1024
DEEPEST = 100
"""Most arrays and objects of JSON in one another; pydantic writes no more than 255."""
_TOO_DEEP = f"more than {DEEPEST} arrays and objects in one another"
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
    body = await body_of(request, limit_bytes)
    return fitted(model, json_in(body) if body or empty is None else empty)


def fitted(model: type[M], value: Any, *, at: str = "") -> M:
    """Return a JSON value as this type; a text is no number, and a number is not true or false.

    Args:
        model: the type.
        value: as it came.
        at: where it stands in the body, as a JSON Pointer.

    Raises:
        InvalidParams: it does not fit; each fault with a JSON Pointer.
    """
    try:
        taken = model.model_validate(value)
    except ValidationError as error:
        raise invalid(error, at=at, model=model) from error
    for pointer, detail in _bent(value, taken.model_dump(mode="json", by_alias=True, warnings=False), at):
        raise fault(pointer, detail)
    return taken


def _bent(given: Any, taken: Any, at: str) -> Iterator[tuple[str, str]]:
    """Yield where pydantic has made a number, or true or false, of something else: what it takes for them is lax."""
    if isinstance(given, dict) and isinstance(taken, dict):
        for name in given.keys() & taken.keys():
            yield from _bent(given[name], taken[name], f"{at}/{escaped(name)}")
    elif isinstance(given, list) and isinstance(taken, list) and len(given) == len(taken):
        for number, pair in enumerate(zip(given, taken, strict=True)):
            yield from _bent(*pair, f"{at}/{number}")
    elif isinstance(given, list) and isinstance(taken, list) and len({json.dumps(one) for one in given}) < len(given):
        yield at, "holds the same item twice"
    elif (wanted := _scalar(taken)) in {"number", "boolean"} and (was := _scalar(given)) not in {None, wanted}:
        yield at, f"must be a {wanted}, and is a {was}"


def _scalar(value: Any) -> str | None:
    """Return the JSON type of a value that has no parts and is there."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string" if isinstance(value, str) else None


async def body_of(request: Request, limit_bytes: int = BODY_LIMIT_BYTES) -> bytes:
    """Return the body of a request, which is read once.

    Raises:
        TooLarge: it is over its limit.
    """
    read: bytes | None = getattr(request.state, "body", None)
    if read is None:
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit_bytes:
                    raise TooLarge(f"The body is larger than the limit of {limit_bytes:,} bytes. Send data as a file.")
        except ClientDisconnect as error:
            raise InvalidParams("The connection ended before the whole body had come. Send it again.") from error
        read = request.state.body = bytes(body)
    return read


def id_in(connection: HTTPConnection, otherwise: Callable[[HTTPConnection], Exception]) -> UUID:
    """Return the id that the path names.

    Args:
        connection: what came.
        otherwise: makes the error that is raised where the path names none.
    """
    try:
        return UUID(connection.path_params["id"])
    except ValueError as error:
        raise otherwise(connection) from error


def query_as(model: type[M], request: Request) -> M:
    """Return the query of a request as this type.

    Raises:
        InvalidParams: it does not fit; each fault with the name of its parameter.
    """
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise invalid(error, model=model) from error


def json_in(text: str | bytes, pointer: str = "", *, what: str = "the body") -> Any:
    """Return the value that a client sent as JSON.

    Args:
        text: what was sent.
        pointer: where it stands in the body.
        what: what it is, where it is the whole of something.

    Raises:
        InvalidParams: it is no JSON, or holds what cannot be stored.
    """
    try:
        value = DECODER.decode(text if isinstance(text, str) else text.decode())
    except RecursionError as error:
        raise fault(pointer, f"holds {_TOO_DEEP}") from error
    except ValueError as error:
        raise fault(pointer, f"{'this' if pointer else what} is not JSON: {error}") from error
    check_storable(value, pointer)
    return value


def check_is_json(request: Request) -> None:
    """Pass a request whose body is JSON, or does not say what it is, or is none.

    Raises:
        WrongMediaType: it says that it is something else.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    empty = request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
    if kind and not empty and kind != "application/json" and not kind.endswith("+json"):
        raise WrongMediaType(f"The body is {kind[:100]!r}. Send JSON, with `Content-Type: application/json`.")


def check_storable(value: Any, pointer: str = "") -> None:
    """Refuse a value of JSON that PostgreSQL does not store: all that clients send passes here before it is used.

    Raises:
        InvalidParams: there is such a value in it.
    """
    if why := _unstorable(value):
        raise fault(pointer, f"holds {why}, which cannot be stored")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _unstorable(value: Any, depth: int = 0) -> str | None:
    if isinstance(value, str):
        half = not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)
        return "the character U+0000" if "\0" in value else "half of a character" if half else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "a number that is too large"
    if not isinstance(value, dict | list):
        return None
    if depth == DEEPEST:
        return _TOO_DEEP
    within = chain(value, value.values()) if isinstance(value, dict) else value
    return next(filter(None, map(_unstorable, within, repeat(depth + 1))), None)


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
"""Reads JSON, and no more than that."""
