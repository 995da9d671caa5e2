"""`arqsvc keys`: make, list, revoke and rotate API keys, and log browsers in; by the database, which needs no key."""

import re
from datetime import timedelta
from typing import Any

import click

from arqsvc.cli.command import JSON, STATE, run

SCOPES = ("read", "submit", "cancel", "operate", "admin")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(value: str) -> timedelta:
    """Return what a number with a unit stands for, such as `90d`, `12h`, `30m` or `45s`."""
    if not (found := re.fullmatch(r"([0-9]{1,5})([smhdw])", value)):
        raise click.BadParameter(f"{value!r} is no duration. Use a whole number and s, m, h, d or w, as in 90d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def scopes(value: str) -> tuple[str, ...]:
    """Return scopes that are separated by commas, each once."""
    found = tuple(dict.fromkeys(one.strip() for one in value.split(",") if one.strip()))
    if not found or not set(found) <= set(SCOPES):
        raise click.BadParameter(f"{value!r} names no scopes, or others than {', '.join(SCOPES)}.")
    return found


@click.group()
def keys() -> None:
    """API keys, kept in ARQSVC_DATABASE_URL or in the instance that holds the state folder."""


@keys.command("create")
@click.option("--name", default="key", show_default=True, help="What the key is for.")
@click.option("--project", default="default", show_default=True, help="Whose jobs and files it sees.")
@click.option(
    "--scopes", "wanted", type=scopes, default="read,submit,cancel", show_default=True,
    help=f"What it may do: {', '.join(SCOPES)}, separated by commas; admin includes the others.",
)  # fmt: skip
@click.option("--expires", type=duration, help="How long it works, as 90d or 12h.  [default: for ever]")
@click.option(
    "--per-minute", type=click.IntRange(0), help="Requests a minute, 0 for any number.  [default: what the API says]"
)
@JSON
@STATE
def create(
    name: str,
    project: str,
    wanted: tuple[str, ...],
    expires: timedelta | None,
    per_minute: int | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Make a key and print it, this once."""
    if expires == timedelta():
        raise click.BadParameter("a key that has expired when it is made is of no use", param_hint="--expires")
    from arqsvc.cli.keyring import create as main

    run(main, name, project, wanted, expires, per_minute, as_json, **given)


@keys.command("list")
@click.option("--project", help="Those of one project.  [default: all]")
@click.option("--sessions", is_flag=True, help="The sessions of browsers instead.")
@JSON
@STATE
def list_(project: str | None, sessions: bool, as_json: bool, **given: Any) -> None:
    """List the keys, the newest first; never their secrets."""
    from arqsvc.cli.keyring import list_keys as main

    run(main, project, sessions, as_json, **given)


@keys.command("revoke")
@click.argument("key", metavar="ID|PREFIX")
@JSON
@STATE
def revoke(key: str, as_json: bool, **given: Any) -> None:
    """End a key, or the session of a browser, at once."""
    from arqsvc.cli.keyring import revoke as main

    run(main, key, as_json, **given)


@keys.command("rotate")
@click.argument("key", metavar="ID|PREFIX")
@click.option("--overlap", type=duration, default="1d", show_default=True, help="How long the old one goes on.")
@JSON
@STATE
def rotate(key: str, overlap: timedelta, as_json: bool, **given: Any) -> None:
    """Make a key in the place of another and print it, this once."""
    from arqsvc.cli.keyring import rotate as main

    run(main, key, overlap, as_json, **given)


@keys.command("link")
@click.option("--project", default="default", show_default=True, help="Whose jobs and files the browser sees.")
@click.option(
    "--scopes", "wanted", type=scopes, default="read,submit,cancel,operate", show_default=True,
    help="What the browser may do, separated by commas.",
)  # fmt: skip
@JSON
@STATE
def link(project: str, wanted: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Make a one-time link that logs a browser in."""
    from arqsvc.cli.keyring import link as main

    run(main, project, wanted, as_json, **given)
