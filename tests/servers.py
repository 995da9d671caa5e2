"""Real servers for the tests: started by the suite, fresh for each test, never flushed."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from signal import SIGTERM
from uuid import uuid4

from pydantic import SecretStr

from arqsvc.infra.db import connect
from arqsvc.infra.embedded import embedded_postgres, embedded_redis
from arqsvc.infra.guarded import Guarded, guarded
from arqsvc.infra.state import runtime_folder
from arqsvc.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]


@contextmanager
def postgres(state: Path) -> Iterator[str]:
    """Run PostgreSQL for a whole session, between the event loops of its tests."""
    state.mkdir(parents=True, exist_ok=True)
    with asyncio.Runner() as runner, runtime_folder(state, None) as runtime:
        server = embedded_postgres(state, runtime)
        url = runner.run(server.__aenter__()).url
        try:
            yield url
        finally:
            runner.run(server.__aexit__(None, None, None))


async def new_database(server_url: str, template: str | None = None) -> str:
    """Make a database of a fresh name and return its URL."""
    name = f"t_{uuid4().hex}"
    connection = await connect(server_url)
    try:
        await connection.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    finally:
        await connection.close()
    return server_url.replace("/arqsvc?", f"/{name}?")


@asynccontextmanager
async def redis(state: Path) -> AsyncIterator[str]:
    """Run a Valkey of its own."""
    state.mkdir(parents=True, exist_ok=True)
    with runtime_folder(state, None) as runtime:
        async with embedded_redis(state, runtime) as server:
            yield server.url


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a process of the service."""
    given = {
        PREFIX + name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in settings
        if value is not None
    }
    return {**os.environ, "PYTHONPATH": str(ROOT), **given}


@asynccontextmanager
async def worker_process(settings: Settings, *module: str, env: Mapping[str, str] = {}) -> AsyncIterator[Guarded]:
    """Run a worker in a process of its own; by default one that knows the kinds of `tests.flow.kinds`."""
    command = [sys.executable, "-m", *(module or ("tests.flow.worker",))]
    async with guarded(command, stop_signal=SIGTERM, grace_s=20, env={**environment(settings), **env}) as worker:
        yield worker
