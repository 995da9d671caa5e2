"""Tortoise on PostgreSQL: open, close, migrate, and the one way a URL is read."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from weakref import WeakSet

import asyncpg
from tortoise import Tortoise
from tortoise.exceptions import DBConnectionError, IntegrityError, OperationalError

from arqsvc.errors import CannotStart

logger = logging.getLogger(__name__)

UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    DBConnectionError,
)
"""What a statement raises while the database is away; the same statement may succeed later."""
REFUSED = (OperationalError, IntegrityError, asyncpg.ProgramLimitExceededError)
"""What a statement raises whose values the database does not take."""

LEDGER = "ledger"
"""Name of the connections on which `rows` runs the statements that move jobs."""
PLANS = {
    "plan_cache_mode": "force_generic_plan",
    **dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_bitmapscan", "jit"), "off"),
}
"""Each of those statements touches few rows by their keys. Its plan is made once, by index and loop, whatever the
statistics of a table that has just been filled or emptied say: left to itself PostgreSQL reads the whole table."""

STATEMENT_S = 30.0
"""Longest time of one statement."""
IDLE_S = 5.0
"""Longest pause in a transaction: a process that hangs there holds no lock for longer."""
CONNECT_S = 10.0
"""Longest time until a connection is made."""

MODELS = (
    "arqsvc.jobs.record",
    "arqsvc.jobs.lease",
    "arqsvc.jobs.files",
    "arqsvc.jobs.projects",
    "arqsvc.jobs.webhooks",
    "arqsvc.api.audit",
    "arqsvc.api.idempotency",
    "arqsvc.api.keys",
    "arqsvc.families.genomes.models",
)
"""Modules that declare tables; a name here is a string, so that no floor is crossed."""

MIGRATIONS = Path(__file__).parents[1] / "migrations"
_MIGRATION_LOCK = 0x61727173
_OF_THIS_CLUSTER = """UPDATE job_event SET tx = 0
WHERE tx >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint"""
"""Of a dump of another cluster the numbers of transactions may lie ahead: streams would wait for them."""
_transaction: ContextVar[asyncpg.Connection | None] = ContextVar("arqsvc_transaction", default=None)


def connection_arguments(database_url: str) -> dict[str, Any]:
    """Return asyncpg's arguments for `postgresql://user:password@host:port/database?host=/socket/folder&sslmode=require`.

    Raises:
        CannotStart: the URL is of another kind, or names no database.
    """
    try:
        parts = urlsplit(database_url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        port = int(query.get("port") or parts.port or 5432)
    except ValueError:  # its message may hold a piece of the password
        raise CannotStart("ARQSVC_DATABASE_URL is no URL; write / # ? @ in a password as %2F %23 %3F %40.") from None
    if parts.scheme not in {"postgres", "postgresql", "asyncpg"} or len(parts.path) < 2:
        raise CannotStart(
            f"ARQSVC_DATABASE_URL begins with {parts.scheme or 'no scheme'!r}; "
            "it must look like postgresql://user:password@host:5432/database."
        )
    arguments: dict[str, Any] = {
        "host": query.get("host") or parts.hostname or "localhost",
        "port": port,
        "user": unquote(parts.username) if parts.username else "postgres",
        "password": unquote(parts.password) if parts.password else None,
        "database": unquote(parts.path[1:]),
    }
    if (mode := query.get("sslmode")) == "disable":
        arguments["ssl"] = False
    elif mode in {"require", "verify-ca", "verify-full"}:
        context = arguments["ssl"] = ssl.create_default_context(cafile=query.get("sslrootcert"))
        context.check_hostname = mode == "verify-full"
        context.verify_mode = ssl.CERT_NONE if mode == "require" else ssl.CERT_REQUIRED
    return arguments


def tortoise_config(database_url: str, *, pool_size: int = 5) -> dict[str, Any]:
    """Return Tortoise's configuration; aerich reads the same."""
    credentials: dict[str, Any] = {
        **connection_arguments(database_url),
        "minsize": 0,  # asyncpg would try, and say so, again and again while the server is away
        "maxsize": pool_size,
        "command_timeout": STATEMENT_S,
        "timeout": CONNECT_S,
        "server_settings": {
            "application_name": "arqsvc",
            "timezone": "UTC",
            "idle_in_transaction_session_timeout": f"{IDLE_S:.0f}s",
        },
    }
    engine = "tortoise.backends.asyncpg"
    ledger = {**credentials, "server_settings": {**credentials["server_settings"], **PLANS}}
    return {
        "connections": {
            "default": {"engine": engine, "credentials": credentials},
            LEDGER: {"engine": engine, "credentials": ledger},
        },
        "apps": {"arqsvc": {"models": [*MODELS, "aerich.models"], "default_connection": "default"}},
        "use_tz": True,
        "timezone": "UTC",
    }


class _Connection(asyncpg.Connection):
    """A connection of a pool."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        """Return what resets a connection that goes back to its pool: nothing; a session keeps nothing of ours."""
        return ""

    def break_off(self) -> None:
        """End it as a network does that breaks; asyncpg's `terminate` leaves a statement half done without a word."""
        self._transport.abort()  # type: ignore[attr-defined]  # the stubs leave it out


class Connections:
    """The open connections of a pool."""

    def __init__(self) -> None:
        self._open = WeakSet[_Connection]()

    async def note(self, connection: _Connection) -> None:
        """Add one; the pool calls this."""
        self._open.add(connection)

    def use(self) -> dict[str, tuple[int, int]]:
        """Return, by the name of each pool, how many connections it has, and how many of them are idle."""
        pools = {name: Tortoise.get_connection(name)._pool for name in ("default", LEDGER)}  # noqa: SLF001 - no other way
        return {name: (pool.get_size(), pool.get_idle_size()) for name, pool in pools.items() if pool}

    def drop(self) -> None:
        """Break them: what waits on one that has become deaf fails now, and may be tried again on another."""
        for connection in list(self._open):
            connection.break_off()


@asynccontextmanager
async def open_db(database_url: str, *, pool_size: int = 5) -> AsyncIterator[Connections]:
    """Open the pool that all of Tortoise uses in this process; checks that the schema is the one of this version.

    Raises:
        CannotStart: no server answers, or its schema is older or newer; says what to do.
    """
    there, ours = await applied_migrations(database_url), own_migrations()
    if ours - there:
        raise CannotStart(
            f"The database lacks {len(ours - there)} migration(s). Run `arqsvc migrate`, then this again."
        )
    if there - ours:
        raise CannotStart(f"The database was migrated by a newer arqsvc ({max(there - ours)}). Install that version.")
    config, connections = tortoise_config(database_url, pool_size=pool_size), Connections()
    for each in config["connections"].values():
        each["credentials"] |= {"init": connections.note, "connection_class": _Connection}
    await Tortoise.init(config=config, _enable_global_fallback=True)
    try:
        yield connections
    finally:
        await Tortoise.close_connections()


def own_migrations() -> set[str]:
    """Return the names of the migrations of this version."""
    return {path.name for path in (MIGRATIONS / "arqsvc").glob("[0-9]*.py")}


async def applied_migrations(database_url: str) -> set[str]:
    """Return the names of the migrations that the database has seen.

    Raises:
        CannotStart: no server answers.
    """
    connection = await connect(database_url)
    try:
        return {row["version"] for row in await connection.fetch("SELECT version FROM aerich WHERE app = 'arqsvc'")}
    except asyncpg.UndefinedTableError:
        return set()
    finally:
        await connection.close()


async def connect(database_url: str, *, timeout_s: float = CONNECT_S) -> asyncpg.Connection:
    """Return one connection outside the pool.

    Raises:
        CannotStart: no server answers within `timeout_s`; says why, never the password.
    """
    arguments = connection_arguments(database_url)
    try:
        return await asyncpg.connect(**arguments, timeout=timeout_s, server_settings={"application_name": "arqsvc"})
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        raise CannotStart(
            f"PostgreSQL at {arguments['host']}:{arguments['port']}, database {arguments['database']!r}, "
            f"does not answer: {type(error).__name__}: {error}. Check ARQSVC_DATABASE_URL and the server."
        ) from error


async def migrate(database_url: str) -> list[str]:
    """Bring the schema to this version; one process at a time, the others wait. Returns the migrations applied."""
    from aerich import Command  # 0.3 s that only a migration needs

    lock = await connect(database_url)
    try:
        async with asyncio.timeout(300):
            await lock.execute("SELECT pg_advisory_lock($1)", _MIGRATION_LOCK)
        command = Command(tortoise_config=tortoise_config(database_url), app="arqsvc", location=str(MIGRATIONS))
        await command.init()
        applied: list[str] = await command.upgrade(run_in_transaction=True)
        await Tortoise.close_connections()
        await lock.execute(_OF_THIS_CLUSTER)
    finally:
        await lock.close()
    logger.info("schema is current", extra={"applied": applied})
    return applied


@asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    """Make one transaction of all that the block executes through `rows`.

    Tortoise's own cannot be used: when it fails to begin, all that the same task executes later goes to its dead
    connection (tortoise/tortoise-orm:tortoise/backends/base/client.py, `TransactionContextPooled.__aenter__`).
    """
    async with Tortoise.get_connection(LEDGER).acquire_connection() as connection, connection.transaction():
        token = _transaction.set(connection)
        try:
            yield
        finally:
            _transaction.reset(token)


@asynccontextmanager
async def alone(lock: int) -> AsyncIterator[bool]:
    """Say whether no other process is in a block under this lock, and let none in meanwhile; a dead one holds none."""
    async with Tortoise.get_connection("default").acquire_connection() as connection:
        first = bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock))
        try:
            yield first
        finally:
            if first:
                await connection.execute("SELECT pg_advisory_unlock($1)", lock)


async def rows(sql: str, values: Sequence[Any] = ()) -> Sequence[Mapping[str, Any]]:
    """Run one statement that finds its rows by index; it begins with WITH or SELECT, so that Tortoise hands them on."""
    if connection := _transaction.get():
        return [dict(row) for row in await connection.fetch(sql, *values)]
    found: Sequence[Mapping[str, Any]] = await Tortoise.get_connection(LEDGER).execute_query_dict(sql, list(values))
    return found


async def searched(sql: str, values: Sequence[Any] = ()) -> Sequence[Mapping[str, Any]]:
    """Run one statement that only reads, planned by the statistics: a filter may find few rows or all."""
    found: Sequence[Mapping[str, Any]] = await Tortoise.get_connection("default").execute_query_dict(sql, list(values))
    return found
