"""API keys, one-time links and browser sessions: each is 256 random bits, of which only the SHA-256 is kept."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.models import Model
from uuid6 import uuid7

from arqsvc.errors import Forbidden, InvalidParams, Unauthorized
from arqsvc.infra.db import rows

LINK_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(days=30)
PREFIX_LENGTH = 13
SELF = "self"
"""What a path names the caller's own project by, and no project is called."""


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
    """Cancel, delete and pin jobs; delete files."""
    OPERATE = "operate"
    """Pause, drain and purge queues; drain and stop workers."""
    ADMIN = "admin"
    """Keys, projects and the audit log, of all projects."""


USER = frozenset({Scope.READ, Scope.SUBMIT, Scope.CANCEL})
"""What a key may do unless it is made otherwise."""
BROWSER = USER | {Scope.OPERATE}
"""What a browser may do that a one-time link logs in."""


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
    """Most requests in a minute, 0 for any number; None for what the settings say."""
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)
    used_at = fields.DatetimeField(null=True)
    parent_id = fields.UUIDField(null=True)
    """Of a ticket: the key or session that made it, for which it stands."""
    successor_id = fields.UUIDField(null=True)
    """Of a key that was rotated: the key that took its place."""

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


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def new_secret(
    kind: KeyKind,
    *,
    project: str,
    name: str,
    scopes: Iterable[Scope] = frozenset(Scope),
    life: timedelta | None = None,
    per_minute: int | None = None,
    parent: UUID | None = None,
) -> tuple[KeyRecord, str]:
    """Make a new secret; returns what is kept of it, and the secret, which is shown this once.

    Raises:
        InvalidParams: the project or the name is empty, too long, or a word that means something else.
    """
    if not (0 < len(project) <= 64 and project != SELF and 0 < len(name) <= 100):
        raise InvalidParams("A project has 1 to 64 characters and is not called 'self'; a name has 1 to 100.")
    secret = f"arqsvc_{secrets.token_urlsafe(32)}"
    now = datetime.now(UTC)
    record = await KeyRecord.create(
        id=uuid7(), project=project, name=name, kind=kind, digest=digest(secret), prefix=secret[:PREFIX_LENGTH],
        scopes=sorted(scopes), per_minute=per_minute, created_at=now, expires_at=None if life is None else now + life,
        parent_id=parent,
    )  # fmt: skip
    return record, secret


async def create_secret(
    kind: KeyKind,
    *,
    project: str,
    name: str,
    scopes: Iterable[Scope] = frozenset(Scope),
    life: timedelta | None = None,
    per_minute: int | None = None,
) -> str:
    """Make a new secret as `new_secret` does, and return it alone."""
    _, secret = await new_secret(kind, project=project, name=name, scopes=scopes, life=life, per_minute=per_minute)
    return secret


async def is_key(secret: str) -> bool:
    """Whether this is a valid API key."""
    return await find(digest(secret), KeyKind.KEY) is not None


async def take_link(secret: str) -> tuple[KeyRecord, str]:
    """Use up a one-time link; returns the session that it opens, and its secret.

    Raises:
        Unauthorized: it is unknown, used or expired.
    """
    link = await find(digest(secret), KeyKind.LINK)
    if link is None or not await KeyRecord.filter(id=link.id).delete():
        raise Unauthorized(
            "This one-time link was used before, or is older than 15 minutes. Make a new one with `arqsvc keys link`."
        )
    await KeyRecord.filter(expires_at__lt=datetime.now(UTC), kind__not=KeyKind.KEY).delete()
    return await new_secret(
        KeyKind.SESSION, project=link.project, name=link.name, scopes=link.scopes, life=SESSION_LIFE
    )


async def take_ticket(secret: str) -> Caller | None:
    """Use up a ticket; returns whose it is, or None if it is none, or none any more, or the key that made it is not."""
    found = await rows(
        """WITH used AS (DELETE FROM api_key WHERE digest = $1 AND kind = 'ticket'
            RETURNING parent_id, expires_at > now() AS good)
        SELECT key.id, key.project, key.name, key.scopes, key.per_minute
        FROM used JOIN api_key key ON key.id = used.parent_id
        WHERE good AND (key.expires_at IS NULL OR key.expires_at > now())""",
        [digest(secret)],
    )
    return _caller(found[0]) if found else None


async def find(digest: str, kind: KeyKind) -> Caller | None:
    """Return the secret of this kind and digest, unless it has expired; one statement, as every request asks for it."""
    found = await rows(
        """SELECT id, project, name, scopes, per_minute FROM api_key
        WHERE digest = $1 AND kind = $2 AND (expires_at IS NULL OR expires_at > now())""",
        [digest, kind.value],
    )
    return _caller(found[0]) if found else None


async def no_longer_good(keys: Iterable[UUID]) -> set[UUID]:
    """Return which of these keys and sessions have been revoked, have ended or have expired."""
    found = await rows(
        """SELECT asked.id FROM unnest($1::uuid[]) AS asked(id)
        WHERE NOT EXISTS (SELECT FROM api_key key
            WHERE key.id = asked.id AND (key.expires_at IS NULL OR key.expires_at > now()))""",
        [list(keys)],
    )
    return {row["id"] for row in found}


def _caller(row: Mapping[str, Any]) -> Caller:
    return Caller(**{**row, "scopes": frozenset(map(Scope, json.loads(row["scopes"])))})
