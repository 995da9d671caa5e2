"""`Idempotency-Key`: a request that is sent twice is carried out once, and answered the same for a day.

The row of a key is written before its request is carried out, and completed with the answer. In between it is held: a
repetition meanwhile is told to wait. If this process dies there, or fails, the request is carried out again by the next
repetition, with the same ids for the jobs that it submits (`job_ids`), so that those it has written already stay one.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from arqsvc.api.bodies import body_of
from arqsvc.api.headers import REPLAYED
from arqsvc.api.keys import Caller
from arqsvc.api.problems import fault, on_error
from arqsvc.errors import ArqsvcError, InFlight, KeyReused
from arqsvc.infra.db import UNAVAILABLE, rows

HEADER = "Idempotency-Key"
KEEP_S = 86_400.0
"""Seconds for which an answer is kept."""
HELD_S = 60.0
"""Seconds after which a request that has no answer yet may be carried out again."""
MAY_DIFFER = {409, 429, *range(500, 600)}
"""Statuses that are not kept: nothing was done, or it is not known, and the next time the answer may be another."""
OWN_HEADERS = frozenset({"content-length", "date", "server"})
"""Headers that each answer has of its own."""
FORGET_S = 600.0
"""Seconds between two looks for rows that are over a day old."""
ROWS_A_LOOK = 5_000


class IdempotencyRecord(Model):
    """The first answer to a key; without a status while that is being made."""

    digest = fields.CharField(64, primary_key=True)
    """SHA-256 of the API key's id and the `Idempotency-Key`."""
    fingerprint = fields.CharField(64)
    """SHA-256 of method, path and body."""
    status = fields.SmallIntField(null=True)
    headers: Any = fields.JSONField(null=True)
    body = fields.TextField(null=True)
    created_at = fields.DatetimeField()
    held_until = fields.DatetimeField()
    """When the request may be carried out again if it has no answer by then."""

    class Meta:
        """Table and indexes."""

        table = "idempotency"
        indexes = (Index(fields=("created_at",), name="idempotency_age"),)


async def once(request: Request, caller: Caller, limit_bytes: int, do: Callable[[], Awaitable[Response]]) -> Response:
    """Do what a request with an `Idempotency-Key` asks for, or answer as the first time.

    Raises:
        InvalidParams: the key has not 1 to 255 visible ASCII characters.
        KeyReused: it came with another request before.
    """
    digest = hashlib.sha256(f"{caller.id} {_key(request)}".encode()).hexdigest()
    fingerprint = await _fingerprint(request, await body_of(request, limit_bytes))
    begun = await _begin(digest, fingerprint)
    if isinstance(begun, Response):
        return begun
    if begun is None:
        error = InFlight(f"The first request with this {HEADER} is still being answered. Send this one again soon.")
        answer = await on_error(request, error)
        answer.headers["Retry-After"] = "1"
        return answer
    request.state.job_ids = lambda item: _ids(digest, begun, item)
    kept = False
    try:
        try:
            answer = await do()
        except ArqsvcError as error:
            answer = await on_error(request, error)
        kept = await _keep(digest, answer)
    finally:
        if not kept:
            await _let_go(digest)
    return answer


def job_ids(request: Request, item: int = 0) -> Iterator[UUID] | None:
    """Return ids for the jobs of a submission that are the same whenever it is repeated; None if it has no key.

    Args:
        item: which of the submissions of a batch.
    """
    ids: Callable[[int], Iterator[UUID]] | None = getattr(request.state, "job_ids", None)
    return ids(item) if ids else None


async def forget_old() -> None:
    """Delete rows that are over a day old."""
    forgotten = ROWS_A_LOOK
    while forgotten == ROWS_A_LOOK:
        found = await rows(
            """WITH old AS (DELETE FROM idempotency WHERE digest IN (SELECT digest FROM idempotency
                WHERE created_at < now() - make_interval(secs => $1) ORDER BY created_at LIMIT $2) RETURNING digest)
            SELECT count(*) AS n FROM old""",
            [KEEP_S, ROWS_A_LOOK],
        )
        forgotten = found[0]["n"]


def _key(request: Request) -> str:
    """Return the key, without the quotes that it has as a string of a structured field."""
    given = request.headers.getlist(HEADER)
    key = given[0].strip()
    if quoted := re.fullmatch(r'"((?:[^"\\]|\\["\\])*)"', key):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    if len(given) > 1 or not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise fault(f"/{HEADER}", "must be one key of 1 to 255 visible ASCII characters, such as a UUID.")
    return key


async def _fingerprint(request: Request, body: bytes) -> str:
    line = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    # a long body is hashed beside the event loop, which hashlib does not hold up
    return await asyncio.to_thread(_sha256, line, body) if len(body) > 256 * 1024 else _sha256(line, body)


def _sha256(line: bytes, body: bytes) -> str:
    digest = hashlib.sha256(line)
    digest.update(body)
    return digest.hexdigest()


async def _begin(digest: str, fingerprint: str) -> datetime | Response | None:
    """Hold a key: returns since when it is known; the first answer, if there is one; None while another holds it."""
    while True:
        held = await rows(
            """WITH held AS (INSERT INTO idempotency AS first (digest, fingerprint, created_at, held_until)
                VALUES ($1, $2, now(), now() + make_interval(secs => $3))
                ON CONFLICT (digest) DO UPDATE SET fingerprint = $2, status = NULL, headers = NULL, body = NULL,
                    created_at = CASE WHEN first.created_at < now() - make_interval(secs => $4) THEN now()
                        ELSE first.created_at END,
                    held_until = now() + make_interval(secs => $3)
                WHERE first.created_at < now() - make_interval(secs => $4)
                    OR first.status IS NULL AND first.held_until < now() AND first.fingerprint = $2
                RETURNING created_at)
            SELECT created_at FROM held""",
            [digest, fingerprint, HELD_S, KEEP_S],
        )
        if held:
            since: datetime = held[0]["created_at"]
            return since
        found = await rows("SELECT fingerprint, status, headers, body FROM idempotency WHERE digest = $1", [digest])
        if found:
            if found[0]["fingerprint"] != fingerprint:
                raise KeyReused(
                    f"This {HEADER} came with another request within the last day. Take a new key for a new request."
                )
            return None if found[0]["status"] is None else _replay(found[0])


def _replay(row: Mapping[str, Any]) -> Response:
    headers = {**json.loads(row["headers"]), REPLAYED: "true"}
    return Response(row["body"], row["status"], headers)


async def _keep(digest: str, answer: Response) -> bool:
    """Complete the row of a key with its answer, if it is one to keep."""
    body = getattr(answer, "body", None)
    if answer.status_code in MAY_DIFFER or body is None or "set-cookie" in answer.headers:
        return False
    headers = {name: value for name, value in answer.headers.items() if name not in OWN_HEADERS}
    await rows(
        """WITH kept AS (UPDATE idempotency SET status = $2, headers = $3::jsonb, body = $4
            WHERE digest = $1 RETURNING digest) SELECT digest FROM kept""",
        [digest, answer.status_code, json.dumps(headers), bytes(body).decode()],
    )
    return True


async def _let_go(digest: str) -> None:
    """Let the next repetition carry the request out; if the database is away, that is in a minute."""
    with suppress(*UNAVAILABLE):
        await rows(
            """WITH free AS (UPDATE idempotency SET held_until = now() - interval '1 second'
                WHERE digest = $1 AND status IS NULL RETURNING digest) SELECT digest FROM free""",
            [digest],
        )


def _ids(digest: str, since: datetime, item: int) -> Iterator[UUID]:
    """Yield the ids of the jobs of one submission: UUIDs of version 7, in order, from what is kept of the request."""
    stamp_ms = int(since.timestamp() * 1000)
    for n in count():
        said = hashlib.sha256(f"{digest} {since.isoformat()} {item} {n}".encode()).digest()
        low = (item << 10 | n & 0x3FF) << 50 | int.from_bytes(said) >> 206
        yield UUID(int=stamp_ms << 80 | 7 << 76 | (low >> 62) << 64 | 2 << 62 | low & (1 << 62) - 1)
