"""The schema, and how a URL is read."""

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tortoise import Tortoise

from arqsvc.errors import CannotStart
from arqsvc.infra.db import (
    MIGRATIONS,
    UNAVAILABLE,
    connect,
    connection_arguments,
    open_db,
    rows,
    tortoise_config,
    transaction,
)
from benchmarks.chaos.link import Link
from tests.waiting import until

COLUMNS = """SELECT table_name, column_name, data_type, is_nullable, column_default, character_maximum_length
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"

DONE = {
    "0_20261122000000_init.py": "f4354a94c004c3eb",
    "1_20261122090333_downloads.py": "eec371d10ac086a2",
    "2_20261126213909_engine.py": "24ad0e6ba3fd49a6",
    "3_20261127003201_contract.py": "e64834b922350122",
    "4_20261127060900_keys_and_files.py": "e5eb252d8a9f9f18",
}
"""How the SHA-256 of each migration begins, from the first time that main has it."""


def test_a_migration_that_a_database_may_have_seen_is_never_changed() -> None:
    files = {path.name: path.read_bytes() for path in (MIGRATIONS / "arqsvc").glob("[0-9]*.py")}
    begins = {name: hashlib.sha256(text).hexdigest()[:16] for name, text in files.items()}
    assert begins == DONE, "what is missing goes into another migration; add that one here"


async def schema(url: str) -> list[Any]:
    connection = await connect(url)
    try:
        return [*await connection.fetch(COLUMNS), *await connection.fetch(INDEXES)]
    finally:
        await connection.close()


async def test_the_migrations_make_what_the_models_declare(database_url: str, empty_database_url: str) -> None:
    await Tortoise.init(config=tortoise_config(empty_database_url))
    await Tortoise.generate_schemas()
    await Tortoise.close_connections()
    assert await schema(database_url) == await schema(empty_database_url)


async def test_many_may_migrate_at_once_and_again(empty_database_url: str) -> None:
    process = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "arqsvc", "migrate",
            env={"ARQSVC_DATABASE_URL": empty_database_url, "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]  # fmt: skip
    said = [(await one.communicate())[0].decode() for one in process]
    assert [one.returncode for one in process] == [0, 0, 0]
    assert sorted(text.split(":")[0].split(";")[0].strip() for text in said) == [
        "Applied",
        "Nothing to do",
        "Nothing to do",
    ]
    async with open_db(empty_database_url):
        pass


async def test_events_that_a_dump_of_another_cluster_brought_are_behind_all_that_come(database_url: str) -> None:
    connection = await connect(database_url)
    try:
        await connection.execute(
            """INSERT INTO job_event (job_id, seq, at, state, attempt, tx)
            SELECT gen_random_uuid(), 1, now(), 'queued', 0, unnest($1::bigint[])""",
            [1 << 40, 3],
        )
        migrating = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "arqsvc", "migrate",
            env={"ARQSVC_DATABASE_URL": database_url, "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        )  # fmt: skip
        assert await migrating.wait() == 0
        assert sorted(row["tx"] for row in await connection.fetch("SELECT tx FROM job_event")) == [0, 3]
    finally:
        await connection.close()


async def test_a_database_without_the_schema_is_refused_with_the_next_step(empty_database_url: str) -> None:
    with pytest.raises(CannotStart, match="arqsvc migrate"):
        async with open_db(empty_database_url):
            pass


async def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    connection = await connect(database_url)
    await connection.execute("INSERT INTO aerich (version, app, content) VALUES ('99_later.py', 'arqsvc', '{}')")
    await connection.close()
    with pytest.raises(CannotStart, match=r"newer arqsvc \(99_later.py\)"):
        async with open_db(database_url):
            pass


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("postgresql://u:p%40@h:5433/d", {"host": "h", "port": 5433, "user": "u", "password": "p@", "database": "d"}),
        (
            "postgres://u@/d?host=/run/pg&port=5",
            {"host": "/run/pg", "port": 5, "user": "u", "password": None, "database": "d"},
        ),
        ("postgresql:///d", {"host": "localhost", "port": 5432, "user": "postgres", "password": None, "database": "d"}),
    ],
)
def test_a_url_is_read_whole(url: str, arguments: dict[str, Any]) -> None:
    assert connection_arguments(url) == arguments


@pytest.mark.parametrize("url", ["mysql://h/d", "postgresql://h", "nonsense", "postgresql://u:gehe/im@h/d"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(CannotStart, match="ARQSVC_DATABASE_URL") as error:
        connection_arguments(url)
    assert "gehe" not in error.value.detail


async def test_a_transaction_that_cannot_begin_leaves_the_task_a_database(database_url: str) -> None:
    url = urlsplit(database_url)
    link = Link(Path(parse_qs(url.query)["host"][0], ".s.PGSQL.5432"))
    async with link.listening(), open_db(f"postgres://arqsvc@127.0.0.1:{link.port}{url.path}?sslmode=disable"):
        assert await rows("SELECT 1 AS one") == [{"one": 1}]
        link.break_all()
        with pytest.raises(UNAVAILABLE):
            async with transaction():
                pass
        async with transaction():
            assert await rows("SELECT 2 AS two") == [{"two": 2}]
        assert await rows("SELECT 3 AS three") == [{"three": 3}]


async def test_what_waits_on_a_connection_fails_once_it_is_dropped(database_url: str) -> None:
    sleeping = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%')"

    async def wait() -> None:
        with pytest.raises(UNAVAILABLE):
            await rows("SELECT pg_sleep(30)::text AS slept")

    watch = await connect(database_url)
    async with open_db(database_url) as connections, asyncio.TaskGroup() as group:
        group.create_task(wait())
        await until(lambda: watch.fetchval(sleeping))
        connections.drop()
        assert await rows("SELECT 2 AS two") == [{"two": 2}]
    await watch.close()
