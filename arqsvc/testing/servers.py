"""The servers that tests run jobs on: an embedded Valkey and PostgreSQL, and a fresh database for each test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from arqsvc.infra.db import connect, migrate
from arqsvc.infra.embedded import embedded_postgres, embedded_redis
from arqsvc.infra.state import hold_state, runtime_folder


@dataclass(frozen=True, slots=True)
class Servers:
    """Where they are."""

    redis_url: str
    database_url: str
    """Of a database with the current schema and nothing else, which each test gets a copy of."""

    async def new_database(self) -> str:
        """Make a database of a fresh name, with the current schema, and return its URL."""
        parts = urlsplit(self.database_url)
        name, template = f"test_{uuid4().hex}", parts.path[1:]
        url = urlunsplit(parts._replace(path=f"/{name}"))
        connection = await connect(urlunsplit(parts._replace(path="/postgres")))
        try:
            await connection.execute(f'CREATE DATABASE {name} TEMPLATE "{template}"')
        finally:
            await connection.close()
        return url


@asynccontextmanager
async def open_servers(folder: Path) -> AsyncIterator[Servers]:
    """Run both on this folder, which is made, for the block."""
    with hold_state(folder), runtime_folder(folder, None) as runtime:
        async with embedded_redis(folder, runtime) as redis, embedded_postgres(folder, runtime) as postgres:
            async with asyncio.timeout(60):
                await migrate(postgres.url)
            yield Servers(redis.url, postgres.url)
