"""The headers of answers, each described once: operations name those that they send, some come with all answers."""

from collections.abc import Mapping, Sequence
from typing import Any

QUOTA = ("RateLimit", "RateLimit-Policy")
"""With every answer to a key whose requests are counted."""
REPLAYED = "Idempotent-Replayed"
DEDUPLICATED = "X-Deduplicated"
SUBMITTED = ("Location", "Preference-Applied", DEDUPLICATED)
"""With a job that was submitted."""
OF_PROBLEMS: Mapping[int, Sequence[str]] = {
    401: ("WWW-Authenticate",),
    404: (REPLAYED,),
    409: ("Retry-After",),
    413: (REPLAYED,),
    416: ("Content-Range",),
    422: (REPLAYED,),
    429: ("Retry-After",),
    503: ("Retry-After",),
    507: ("Retry-After",),
}
"""By status, the headers that a problem may have beside its quota."""


def _text(description: str, *examples: str, **schema: Any) -> Mapping[str, Any]:
    shown = {"examples": list(examples)} if examples else {}
    return {"description": description, "schema": {"type": "string", **schema, **shown}}


HEADERS: Mapping[str, Mapping[str, Any]] = {
    "Accept-Ranges": _text("That parts of it can be asked for, with `Range`.", "bytes"),
    "Cache-Control": _text(
        "Who may keep the answer: `no-store` for what holds a secret, or is a stream; `no-cache` for what is asked for "
        "anew with `If-None-Match`; the content of a file never changes.",
        "no-store",
    ),
    "Content-Disposition": _text(
        "The file's name, and whether a browser shows it or saves it.", 'attachment; filename="report.html"'
    ),
    "Content-Range": _text("Which bytes these are, of how many; with 416, of how many.", "bytes 0-99/1234"),
    "ETag": _text("What this is the state of; sent as `If-None-Match`, it asks for what has changed.", 'W/"3f1c"'),
    REPLAYED: _text("This is the answer that the same `Idempotency-Key` got before.", enum=["true"]),
    "Link": _text(
        'With `rel="next"`: the address of what follows; absent where nothing does.',
        '</api/v1/jobs?cursor=Aa0>; rel="next"',
    ),
    "Location": _text(
        "The address of what was made or is being done, relative to that of the service.",
        "/api/v1/jobs/01a21a7c-014f-78fc-8d89-c1a78f157de9",
    ),
    "Preference-Applied": _text("The part of `Prefer` that was heeded.", "wait=10"),
    "RateLimit": _text(
        "What the key has left: `r` requests now, and all of its quota in `t` seconds.", '"default";r=597;t=1'
    ),
    "RateLimit-Policy": _text("What the key may: `q` requests in `w` seconds.", '"default";q=600;w=60'),
    "Repr-Digest": _text("The SHA-256 of the whole file, in base64 (RFC 9530).", "sha-256=:uU0nuZNN...:"),
    "Retry-After": {
        "description": "Seconds after which to ask again.", "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": _text("How to send a key.", "Bearer"),
    DEDUPLICATED: _text("This is another job, which does the same work; nothing new was submitted.", enum=["true"]),
}  # fmt: skip
"""Each as OpenAPI describes a header; all of them may be absent."""
