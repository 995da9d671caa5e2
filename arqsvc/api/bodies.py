"""What requests carry, as declared types: bodies, bounded and JSON; queries."""

import json
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request

from arqsvc.api.problems import escaped, fault, invalid
from arqsvc.errors import InvalidParams, TooLarge, WrongMediaType

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
        WrongMediaType: it says that it is something else than JSON.
    """
    return fitted(model, await _json(request, empty))


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
        raise invalid(error, at=at) from error
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
    elif (wanted := _scalar(taken)) in {"number", "boolean"} and (was := _scalar(given)) not in {None, wanted}:
        yield at, f"must be a {wanted}, and is a {was}"


def _scalar(value: Any) -> str | None:
    """Return the JSON type of a value that has no parts and is there."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string" if isinstance(value, str) else None


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
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT_BYTES:
                raise TooLarge(f"The body is larger than the limit of {BODY_LIMIT_BYTES:,} bytes. Send data as a file.")
    except ClientDisconnect as error:
        raise InvalidParams("The connection ended before the whole body had come. Send it again.") from error
    if not body and empty is not None:
        return empty
    _check_is_json(request.headers.get("content-type", ""))
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise fault("", f"the body is not JSON: {error}") from error
    if _holds_nul(value):
        raise fault("", "the body holds the character U+0000, which cannot be stored")
    return value


def _check_is_json(said: str) -> None:
    """Pass a body whose type is JSON, or that does not say what it is."""
    kind = said.partition(";")[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise WrongMediaType(f"The body is {kind[:100]!r}. Send JSON, with `Content-Type: application/json`.")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_nul(member) for pair in value.items() for member in pair)
    return any(map(_holds_nul, value)) if isinstance(value, list) else isinstance(value, str) and "\0" in value
