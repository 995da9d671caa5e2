"""The ring of keys: list, make, rotate and revoke them; over HTTP, and for `arqsvc keys`."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from tortoise.queryset import QuerySet

from arqsvc.api.bodies import body_as, id_in, query_as
from arqsvc.api.held import of
from arqsvc.api.keys import PREFIX_LENGTH, USER, Caller, KeyKind, KeyRecord, Scope, new_secret
from arqsvc.api.operation import operation, reply
from arqsvc.api.problems import fault
from arqsvc.api.records import newest
from arqsvc.contract import Key, KeyPage, NewKey
from arqsvc.errors import Conflict, NotFound
from arqsvc.jobs.events import rfc3339

PAGE = 50
LARGEST_PAGE = 500
LONGEST_S = 100 * 366 * 86_400
OVERLAP_S = 86_400.0
MOST_PER_MINUTE = 10_000_000


class WantedKey(BaseModel):
    """The body of `POST /keys`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: str = Field(min_length=1, max_length=100)
    """What the key is for."""
    project: str | None = Field(default=None, min_length=1, max_length=64)
    """Whose jobs and files it sees. Default: those of the key that asks."""
    scopes: set[Scope] = Field(default=set(USER), min_length=1)
    expires_in_s: float | None = Field(default=None, gt=0, le=LONGEST_S)
    expires_at: AwareDatetime | None = None
    per_minute: int | None = Field(default=None, ge=0, le=MOST_PER_MINUTE)
    """Requests a minute, 0 for any number. Default: what the service's settings say."""

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.expires_in_s is not None and self.expires_at is not None:
            raise ValueError("say expires_in_s or expires_at, not both")
        return self

    def life(self) -> timedelta | None:
        """Return how long it lives from now on; None for ever."""
        if self.expires_at is not None:
            return self.expires_at - datetime.now(UTC)
        return None if self.expires_in_s is None else timedelta(seconds=self.expires_in_s)


class Overlap(BaseModel):
    """The body of `POST /keys/{id}/rotate`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    overlap_s: float = Field(default=OVERLAP_S, ge=0, le=90 * 86_400)
    """Seconds for which the old secret goes on working."""


class WhichKeys(BaseModel):
    """The query of `GET /keys`."""

    project: str | None = None
    kind: Literal["key", "session"] = "key"
    cursor: UUID | None = None
    limit: int = Field(default=PAGE, ge=1, le=LARGEST_PAGE)


@operation("keys.list", "GET", "/keys", Scope.ADMIN, {200: KeyPage}, query=WhichKeys)
async def list_keys(request: Request, caller: Caller) -> Response:
    """List the keys of all projects or of one, or the sessions of browsers, the newest first; expired ones too."""
    asked = query_as(WhichKeys, request)
    page, cursor = await newest(keys_of(KeyKind(asked.kind), asked.project), asked.cursor, asked.limit)
    return reply(KeyPage(items=list(map(shown_key, page)), next_cursor=cursor))


@operation("keys.self", "GET", "/keys/self", None, {200: Key})
async def show_own(request: Request, caller: Caller) -> Response:
    """Return the key or the session that asks: its project, name, scopes, and when it expires."""
    return reply(shown_key(await KeyRecord.get(id=caller.id)))


@operation(
    "keys.create",
    "POST",
    "/keys",
    Scope.ADMIN,
    {201: NewKey},
    body=WantedKey,
    repeatable=False,
    tells={201: ("Location",)},
)
async def create(request: Request, caller: Caller) -> Response:
    """Make a key. Its secret is in this answer and nowhere else."""
    asked = await body_as(WantedKey, request)
    life = asked.life()
    if life is not None and life <= timedelta():
        raise fault("/expires_at", f"{asked.expires_at} is past.")
    record, secret = await new_secret(
        KeyKind.KEY, project=asked.project or caller.project, name=asked.name, scopes=asked.scopes, life=life,
        per_minute=asked.per_minute,
    )  # fmt: skip
    return _told(request, record, secret)


@operation("keys.revoke", "DELETE", "/keys/{id}", Scope.ADMIN, {204: None}, errors=(404,))
async def revoke(request: Request, caller: Caller) -> Response:
    """Revoke a key or end a session: the next request with it is refused, and streams that it opened are ended."""
    key = await _named(request)
    request.state.audit = facts(key)
    await remove(key)
    of(request).readers.look_soon()
    return Response(status_code=204)


@operation(
    "keys.rotate", "POST", "/keys/{id}/rotate", Scope.ADMIN, {201: NewKey},
    body=Overlap, body_needed=False, errors=(404, 409), repeatable=False, tells={201: ("Location",)},
)  # fmt: skip
async def rotate(request: Request, caller: Caller) -> Response:
    """Make a key that may what this one may and lives as long; this one ends after the overlap, a day by default.

    409 for a key that was rotated before: the detail names the one that took its place. Who has lost the answer rotates
    that one.
    """
    asked = await body_as(Overlap, request, empty={})
    return _told(request, *await replace(await _named(request), asked.overlap_s), overlap_s=asked.overlap_s)


def keys_of(kind: KeyKind, project: str | None) -> QuerySet[KeyRecord]:
    """Return the query for keys or sessions of a project or of all."""
    found = KeyRecord.filter(kind=kind)
    return found if project is None else found.filter(project=project)


async def find_key(id_or_prefix: str) -> KeyRecord:
    """Return the key or session of this id, or the key whose secret begins so.

    Raises:
        NotFound: there is none, or several begin so.
    """
    found: Iterable[KeyRecord]
    try:
        found = await KeyRecord.filter(id=UUID(id_or_prefix), kind__not=KeyKind.LINK)
    except ValueError:
        found = await KeyRecord.filter(prefix__startswith=id_or_prefix[:PREFIX_LENGTH], kind=KeyKind.KEY).limit(2)
    match list(found):
        case [one]:
            return one
        case []:
            raise NotFound(f"There is no key {id_or_prefix[:60]}. GET /api/v1/keys and `arqsvc keys list` list them.")
        case _:
            raise NotFound(f"Several keys begin with {id_or_prefix[:60]}. Name one by its id.")


async def remove(key: KeyRecord) -> None:
    """Revoke a key or end a session."""
    await KeyRecord.filter(id=key.id).delete()


async def replace(key: KeyRecord, overlap_s: float) -> tuple[KeyRecord, str]:
    """Make a key in the place of another, which ends after the overlap if not before; returns it and its secret.

    Raises:
        NotFound: it is the session of a browser, or has expired.
        Conflict: it was rotated before.
    """
    now = datetime.now(UTC)
    if key.successor_id:
        raise _rotated_before(key)
    if key.kind != KeyKind.KEY or (key.expires_at and key.expires_at <= now):
        raise NotFound(f"{key.id} is no key that works, and cannot be rotated. Make a new one.")
    made = await new_secret(
        KeyKind.KEY, project=key.project, name=key.name, scopes=map(Scope, key.scopes), per_minute=key.per_minute,
        life=key.expires_at - key.created_at if key.expires_at else None,
    )  # fmt: skip
    end = now + timedelta(seconds=overlap_s)
    old = KeyRecord.filter(id=key.id, successor_id=None)
    if not await old.update(expires_at=min(end, key.expires_at or end), successor_id=made[0].id):
        await remove(made[0])
        raise _rotated_before(await find_key(str(key.id)))
    return made


def _rotated_before(key: KeyRecord) -> Conflict:
    return Conflict(
        f"The key {key.id} was rotated before: {key.successor_id} took its place. If the secret of that one is lost, "
        "rotate it; if it is revoked, make a new key.",
        successor=str(key.successor_id),
    )


def shown_key(key: KeyRecord) -> Key:
    """Return a key or session as clients see it."""
    return Key(**_members(key))


def shown_new_key(key: KeyRecord, secret: str) -> NewKey:
    """Return a key that was just made, with its secret."""
    return NewKey(**_members(key), secret=secret)


def facts(key: KeyRecord) -> dict[str, object]:
    """Return what the audit log says of a key that was made or revoked."""
    return {
        "key": str(key.id), "project": key.project, "name": key.name, "kind": key.kind.value,
        "scopes": sorted(key.scopes), "per_minute": key.per_minute, "expires_at": rfc3339(key.expires_at),
    }  # fmt: skip


def _members(key: KeyRecord) -> dict[str, object]:
    return {
        "id": key.id, "project": key.project, "name": key.name, "kind": key.kind.value, "prefix": key.prefix,
        "scopes": sorted(key.scopes), "per_minute": key.per_minute, "created_at": key.created_at,
        "expires_at": key.expires_at, "used_at": key.used_at,
    }  # fmt: skip


async def _named(request: Request) -> KeyRecord:
    return await find_key(str(id_in(request, _no_key)))


def _no_key(connection: HTTPConnection) -> NotFound:
    return NotFound(f"There is no key {connection.path_params['id'][:60]}. GET /api/v1/keys lists them.")


def _told(request: Request, record: KeyRecord, secret: str, **how: float) -> Response:
    request.state.audit = {**facts(record), **how}
    headers = {"Location": f"/api/v1/keys/{record.id}", "Cache-Control": "no-store"}
    return reply(shown_new_key(record, secret), 201, headers)


OPERATIONS = (list_keys, show_own, create, revoke, rotate)
