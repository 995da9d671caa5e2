"""`arqsvc keys`: make, list, rotate and revoke, by the database alone."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from arqsvc.api.audit import AuditRecord
from arqsvc.api.keys import KeyKind, digest, find
from arqsvc.cli import keyring
from arqsvc.cli.database import open_database
from arqsvc.errors import NotFound
from arqsvc.settings import Settings
from tests.cli.program import Program


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings with a database and nothing else."""
    return Settings.read({}, state_dir=tmp_path, database_url=database_url, url="https://lab.example/")


async def works(settings: Settings, secret: str) -> bool:
    """Whether a key is taken."""
    async with open_database(settings):
        return await find(digest(secret), KeyKind.KEY) is not None


async def test_a_key_is_made_listed_rotated_and_revoked(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    await keyring.create(settings, "script", "lab", ["read", "submit"], timedelta(days=90), 100, True)
    made = json.loads(capsys.readouterr().out)
    assert (made["project"], made["scopes"], made["per_minute"]) == ("lab", ["read", "submit"], 100)
    assert await works(settings, made["secret"])
    await keyring.create(settings, "other", "default", ["read"], None, None, False)
    other = capsys.readouterr().out.strip()
    assert await works(settings, other)

    await keyring.list_keys(settings, None, False, True)
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["name"] for one in listed] == ["other", "script"]
    assert "secret" not in listed[1]
    await keyring.list_keys(settings, "lab", False, False)
    head, row = capsys.readouterr().out.splitlines()
    assert (head.split()[:3], row.split()[:4]) == (
        ["id", "prefix", "project"],
        [made["id"], made["prefix"], "lab", "script"],
    )

    await keyring.rotate(settings, made["prefix"], timedelta(hours=1), False)
    new = capsys.readouterr().out.strip()
    assert await works(settings, new)
    assert await works(settings, made["secret"])
    await keyring.revoke(settings, made["id"], True)
    assert json.loads(capsys.readouterr().out)["id"] == made["id"]
    assert (await works(settings, made["secret"]), await works(settings, new)) == (False, True)
    async with open_database(settings):
        deeds = await AuditRecord.all().order_by("id")
    assert [(deed.actor, deed.project, deed.action) for deed in deeds] == [
        ("command line", "lab", "keys.create"), ("command line", "default", "keys.create"),
        ("command line", "lab", "keys.rotate"), ("command line", "lab", "keys.revoke"),
    ]  # fmt: skip
    assert [deed.target for deed in deeds] == [made["id"], deeds[1].detail["key"], made["id"], made["id"]]
    assert new not in str([deed.detail for deed in deeds])
    with pytest.raises(NotFound, match="Several keys"):
        await keyring.revoke(settings, "arqsvc_", False)
    with pytest.raises(NotFound, match="There is no key"):
        await keyring.revoke(settings, made["id"], False)


async def test_a_link_says_the_address_and_keeps_the_token_behind_the_fragment(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await keyring.link(settings, "lab", ["read"], True)
    url = json.loads(capsys.readouterr().out)["url"]
    page, _, token = url.partition("#t=")
    assert page == "https://lab.example/login"
    async with open_database(settings):
        link = await find(digest(token), KeyKind.LINK)
    assert link is not None
    assert (link.project, set(link.scopes)) == ("lab", {"read"})


async def test_the_first_key_of_a_service_and_what_makes_no_sense(program: Program, database_url: str) -> None:
    code, out, err = await program.run("keys", "create", "--expires", "90d", ARQSVC_DATABASE_URL=database_url)
    assert (code, out[:7], out.count("\n"), err) == (0, "arqsvc_", 1, "")
    code, _, err = await program.run("keys", "create", "--scopes", "all", "--expires", "3y")
    assert (code, "names no scopes" in err) == (2, True)
