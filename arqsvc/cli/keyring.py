"""What `arqsvc keys` does; the image of the API has it too, and there no rich."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

import click

from arqsvc.api.audit import DONE, write
from arqsvc.api.keyring import facts, find_key, keys_of, remove, replace, shown_key, shown_new_key
from arqsvc.api.keys import LINK_LIFE, KeyKind, KeyRecord, Scope, create_secret, new_secret
from arqsvc.api.records import newest
from arqsvc.cli.database import open_database
from arqsvc.cli.running import Instance
from arqsvc.settings import Settings

MOST_LISTED = 1000
ACTOR = "command line"
"""Who does in the audit log what is done here."""
COLUMNS = ("id", "prefix", "project", "name", "scopes", "a minute", "created", "expires", "used")


async def create(
    settings: Settings,
    name: str,
    project: str,
    scopes: Iterable[str],
    life: timedelta | None,
    per_minute: int | None,
    as_json: bool,
) -> int:
    """Make a key and print its secret, or as JSON all that is to be said of it."""
    async with open_database(settings):
        made = await new_secret(
            KeyKind.KEY, project=project, name=name, scopes=map(Scope, scopes), life=life, per_minute=per_minute
        )
        await _note("keys.create", made[0], made[0])
    _print_new(*made, as_json)
    return 0


async def list_keys(settings: Settings, project: str | None, sessions: bool, as_json: bool) -> int:
    """Print the keys, or the sessions of browsers, as a table or a JSON object a line."""
    async with open_database(settings):
        found, _ = await newest(keys_of(KeyKind.SESSION if sessions else KeyKind.KEY, project), None, MOST_LISTED)
    if as_json:
        for key in found:
            click.echo(shown_key(key).model_dump_json())
        return 0
    table: list[tuple[str, ...]] = [COLUMNS]
    for key in found:
        each = "" if key.per_minute is None else f"{key.per_minute:,}"
        times = map(_date, (key.created_at, key.expires_at, key.used_at))
        table.append((str(key.id), key.prefix, key.project, key.name, ",".join(key.scopes), each, *times))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        click.echo("  ".join(map(str.ljust, row, widths)).rstrip())
    return 0


async def revoke(settings: Settings, named: str, as_json: bool) -> int:
    """End a key or a session, and say which it was."""
    async with open_database(settings):
        key = await find_key(named)
        await remove(key)
        await _note("keys.revoke", key, key)
    click.echo(shown_key(key).model_dump_json() if as_json else f"{key.id} {key.name} of {key.project} is revoked")
    return 0


async def rotate(settings: Settings, named: str, overlap: timedelta, as_json: bool) -> int:
    """Make a key in the place of another and print its secret."""
    async with open_database(settings):
        old = await find_key(named)
        made = await replace(old, overlap.total_seconds())
        await _note("keys.rotate", old, made[0], overlap_s=overlap.total_seconds())
    _print_new(*made, as_json)
    return 0


async def link(settings: Settings, project: str, scopes: Iterable[str], as_json: bool) -> int:
    """Make a one-time link that logs a browser in, and print it."""
    async with open_database(settings):
        token = await create_secret(
            KeyKind.LINK, project=project, name="browser", scopes=map(Scope, scopes), life=LINK_LIFE
        )
    instance = Instance.of(settings.state_dir)
    address = settings.url or (instance.url if instance else "http://ADDRESS-OF-THE-API")
    url = f"{address.rstrip('/')}/login#t={token}"
    click.echo(json.dumps({"url": url, "expires_in_s": LINK_LIFE.total_seconds()}) if as_json else url)
    return 0


async def _note(action: str, target: KeyRecord, of: KeyRecord, **how: float) -> None:
    """Write into the audit log of the key's project what was done here."""
    detail = {**facts(of), **how, "outcome": DONE}
    await write(ACTOR, None, action, target.id, {of.project: detail})


def _print_new(key: KeyRecord, secret: str, as_json: bool) -> None:
    click.echo(shown_new_key(key, secret).model_dump_json() if as_json else secret)


def _date(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M") if at else ""
