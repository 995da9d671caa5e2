"""ETag and 304: who asks again, and would get the same, gets no body."""

import hashlib
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

IF_NONE_MATCH = {
    "If-None-Match": {"type": "string", "description": "The `ETag` of what you have: 304 where that is still so."}
}
"""The header that operations with an ETag heed, as a JSON Schema."""


def tag_of(*facts: object) -> str:
    """Return the ETag of an answer that these facts decide; a weak one, since they are not its bytes."""
    digest = hashlib.sha256("\0".join(map(str, facts)).encode()).hexdigest()
    return f'W/"{digest[:24]}"'


def known(request: Request, tag: str, headers: Mapping[str, str] | None = None) -> Response | None:
    """Return a 304 if the request says that it has what has this ETag (RFC 9110, 13.1.2); None if it is to be sent.

    Args:
        headers: those that the answer itself would have, the ETag among them. Default: keep it, and ask each time.
    """
    have = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if tag.removeprefix("W/") in have or have == ["*"]:
        return Response(status_code=304, headers=headers or _headers(tag))
    return None


def tagged(request: Request, answer: Response, tag: str | None = None) -> Response:
    """Return an answer with its ETag, by default one of its bytes; or a 304 instead, if the request has it."""
    tag = tag or f'"{hashlib.sha256(answer.body).hexdigest()[:24]}"'
    answer.headers.update(_headers(tag))
    return known(request, tag) or answer


def _headers(tag: str) -> dict[str, str]:
    """Keep it, for this user alone, and ask each time."""
    return {"ETag": tag, "Cache-Control": "private, no-cache"}
