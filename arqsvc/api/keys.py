"""Who asks: API keys, one-time links and browser sessions, each 256 random bits of which only the SHA-256 is kept."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from starlette.requests import HTTPConnection
from tortoise import fields
from tortoise.models import Model
from uuid6 import uuid7

from arqsvc.errors import Forbidden, Rejected, Unauthorized
from arqsvc.infra.db import rows

COOKIE = "arqsvc_session"
LINK_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(days=30)
PREFIX_LENGTH = 13
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class KeyKind(StrEnum):
    """What a secret is good for."""

    KEY = "key"
    LINK = "link"
    SESSION = "session"
    TICKET = "ticket"


class Scope(StrEnum):
    """What a key may do; `admin` includes the others."""

    READ = "read"
    """See the jobs, files and events of its project."""
    SUBMIT = "submit"
    """Submit jobs, retry them, upload files."""
    CANCEL = "cancel"
    """Cancel, delete and pin jobs."""
    OPERATE = "operate"
    """Pause, drain and purge queues; drain and stop workers."""
    ADMIN = "admin"
    """Keys, projects and the audit log, of all projects."""


USER = frozenset({Scope.READ, Scope.SUBMIT, Scope.CANCEL})
"""What a key may do unless it is made otherwise."""


class KeyRecord(Model):
    """One secret: its digest, whose it is, and what it is good for."""

    id = fields.UUIDField(primary_key=True)
    project = fields.CharField(64)
    name = fields.CharField(100)
    kind = fields.CharEnumField(KeyKind, max_length=16)
    scopes: Any = fields.JSONField()
    digest = fields.CharField(64, unique=True)
    prefix = fields.CharField(16)
    """Its first characters, by which a person knows it again."""
    per_minute = fields.IntField(null=True)
    """Most requests in a minute; None for what the settings say."""
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)
    used_at = fields.DatetimeField(null=True)

    class Meta:
        """Table."""

        table = "api_key"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: the key or session by which it was let in."""

    id: UUID
    project: str
    name: str
    scopes: frozenset[Scope]
    per_minute: int | None

    def may(self, scope: Scope) -> bool:
        """Whether it has this scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def must(self, scope: Scope) -> None:
        """Pass only who has this scope.

        Raises:
            Forbidden: it has not; names both.
        """
        if not self.may(scope):
            has = ", ".join(sorted(self.scopes)) or "none"
            raise Forbidden(
                f"This needs the scope {scope.value!r}; the key {self.name!r} has: {has}. Use another key, or make one "
                f"with `arqsvc keys create --scopes {scope.value}`.",
                scope=scope.value,
            )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def create_secret(
    kind: KeyKind,
    *,
    project: str,
    name: str,
    scopes: Iterable[Scope] = frozenset(Scope),
    life: timedelta | None = None,
    per_minute: int | None = None,
) -> str:
    """Make a new secret and return it; it is shown this once.

    Raises:
        Rejected: the project or the name is empty or too long.
    """
    if not (0 < len(project) <= 64 and 0 < len(name) <= 100):
        raise Rejected("A project has 1 to 64 characters, a name 1 to 100.")
    secret = f"arqsvc_{secrets.token_urlsafe(32)}"
    now = datetime.now(UTC)
    await KeyRecord.create(
        id=uuid7(), project=project, name=name, kind=kind, digest=_digest(secret), prefix=secret[:PREFIX_LENGTH],
        scopes=sorted(scopes), per_minute=per_minute, created_at=now, expires_at=now + life if life else None,
    )  # fmt: skip
    return secret


async def is_key(secret: str) -> bool:
    """Whether this is a valid API key."""
    return await _find(secret, KeyKind.KEY) is not None


async def take_link(secret: str) -> str:
    """Use up a one-time link; returns the secret of the session that it opens.

    Raises:
        Unauthorized: it is unknown, used or expired.
    """
    link = await _find(secret, KeyKind.LINK)
    if link is None or not await KeyRecord.filter(id=link.id).delete():
        raise Unauthorized(
            "This one-time link was used before, or is older than 15 minutes. Make a new one with `arqsvc keys link`."
        )
    await KeyRecord.filter(expires_at__lt=datetime.now(UTC)).delete()
    return await create_secret(
        KeyKind.SESSION, project=link.project, name=link.name, scopes=link.scopes, life=SESSION_LIFE
    )


async def authenticate(connection: HTTPConnection) -> Caller:
    """Return who sent this request, by `Authorization: Bearer`, `X-API-Key` or the session's cookie.

    Raises:
        Unauthorized: none of these is there, or it is not valid.
        Forbidden: a page of another site makes the browser send the cookie.
    """
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        secret = connection.headers.get("x-api-key", "")
    if secret:
        key = await _find(secret.strip(), KeyKind.KEY)
    elif secret := connection.cookies.get(COOKIE, ""):
        _refuse_foreign_pages(connection)
        key = await _find(secret, KeyKind.SESSION)
    else:
        raise Unauthorized("Send a key as `Authorization: Bearer ...` or `X-API-Key`. `arqsvc keys create` makes one.")
    if key is None:
        raise Unauthorized("The key or session is unknown or has expired. `arqsvc keys create` makes a new key.")
    return key


async def take_ticket(secret: str) -> Caller | None:
    """Use up a ticket; returns whom it stands for, or None if it is none, or none any more."""
    found = await rows(
        """WITH used AS (DELETE FROM api_key WHERE digest = $1 AND kind = 'ticket'
            RETURNING id, project, name, scopes, per_minute, expires_at > now() AS good)
        SELECT id, project, name, scopes, per_minute FROM used WHERE good""",
        [_digest(secret)],
    )
    return _caller(found[0]) if found else None


async def _find(secret: str, kind: KeyKind) -> Caller | None:
    """Return a secret of this kind, unless it has expired; one statement, since every request asks for it."""
    found = await rows(
        """SELECT id, project, name, scopes, per_minute FROM api_key
        WHERE digest = $1 AND kind = $2 AND (expires_at IS NULL OR expires_at > now())""",
        [_digest(secret), kind.value],
    )
    return _caller(found[0]) if found else None


def _caller(row: Mapping[str, Any]) -> Caller:
    return Caller(**{**row, "scopes": frozenset(map(Scope, json.loads(row["scopes"])))})


def _refuse_foreign_pages(connection: HTTPConnection) -> None:
    """Let a cookie change something, or open a WebSocket, only for our own pages."""
    if connection.scope["type"] == "http" and connection.scope["method"] in SAFE_METHODS:
        return
    site, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
    host = connection.headers.get("host")
    if not (site in {"same-origin", "none"} if site else origin and urlsplit(origin).netloc == host):
        raise Forbidden("A page of another site may not act with this session. Use an API key.")
