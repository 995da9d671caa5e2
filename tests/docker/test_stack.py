"""The compose stack, its processes as written there, on PostgreSQL and Valkey with passwords: a job goes through it."""

from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from signal import SIGTERM

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from arqsvc.client import Client
from arqsvc.infra.db import own_migrations
from tests.docker.files import PASSWORDS
from tests.docker.stack import Stack, open_stack
from tests.servers import ROOT
from tests.waiting import until

RECORD = ROOT / "arqsvc" / "families" / "genomes" / "data" / "NC_000932.1.gb.gz"
SERVICES = ("api", "worker", "worker-downloads")


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """PostgreSQL and Valkey of the compose file."""
    async with open_stack(tmp_path) as running:
        yield running


async def stop(process: Process) -> int | None:
    """Stop a container as Docker does."""
    process.send_signal(SIGTERM)
    await process.communicate()
    return process.returncode


async def test_a_genome_goes_through_the_stack_and_a_stopped_worker_drains(stack: Stack, tmp_path: Path) -> None:
    assert await stack.run("migrate") == (0, f"Applied: {', '.join(sorted(own_migrations()))}\n")
    code, key = await stack.run("api", "keys", "create", "--name", "first")
    assert code == 0
    async with AsyncExitStack() as running:
        api, worker, downloads = [await running.enter_async_context(stack.up(name)) for name in SERVICES]
        await ready(stack)
        assert [await stack.healthy(name) for name in SERVICES] == [True, True, True]

        client = await running.enter_async_context(Client(stack.url, key.strip()))
        record = await client.upload(RECORD)
        job = await client.result((await client.submit("genomes.analyze", {"file_id": record["id"]}))["id"])
        assert job["state"] == "succeeded", job
        (report,) = [file for file in job["files"] if file["name"] == "report.html"]
        await client.download(report["id"], tmp_path / "report.html")
        assert "NC_000932.1" in (tmp_path / "report.html").read_text()

        job = await client.submit("genomes.analyze", {"file_id": record["id"]})
        async for event in client.follow(job["id"]):
            if event.get("state") == "running":
                break
        assert await stop(worker) == 0
        job = await client.job(job["id"])
        assert (job["state"], job["attempt"]) == ("succeeded", 1)
        assert (await stack.healthy("api"), await stop(downloads)) == (False, 0)
        assert (await stack.healthy("worker"), await stop(api)) == (False, 0)


async def ready(stack: Stack) -> None:
    """Wait until /readyz says that all is there."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:

        async def said() -> bool:
            try:
                return (await http.get(f"{stack.url}/readyz")).is_success
            except httpx.TransportError:
                return False

        await until(said)


async def test_the_servers_want_their_passwords_and_valkey_keeps_what_it_took(stack: Stack) -> None:
    port = stack.ports["postgres"]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host="127.0.0.1", port=port, user="arqsvc", password="wrong", database="arqsvc")
    async with Redis(port=stack.ports["valkey"]) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.ping()
    async with Redis(port=stack.ports["valkey"], password=PASSWORDS["VALKEY_PASSWORD"]) as valkey:
        asked = [await valkey.config_get(name) for name in ("appendonly", "maxmemory-policy", "save")]
        assert asked == [{"appendonly": "yes"}, {"maxmemory-policy": "noeviction"}, {"save": ""}]
    code, said = await stack.run("api", "health")
    assert (code, "does not answer" in said) == (1, True)
