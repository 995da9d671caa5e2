"""The compose stack, its processes as written there, on PostgreSQL and Valkey with passwords: a job goes through it."""

import asyncio
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

from arqsvc.client.wire import Wire
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


async def ready(stack: Stack, running: dict[str, Process]) -> None:
    """Wait until /readyz says that all is there."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:

        async def said() -> bool:
            for name, process in running.items():
                assert process.returncode is None, (stack.folder / f"{name}.log").read_text()
            try:
                return (await http.get(f"{stack.url}/readyz")).is_success
            except httpx.TransportError:
                return False

        await until(said)


async def test_a_genome_goes_through_the_stack_and_a_stopped_worker_drains(stack: Stack, tmp_path: Path) -> None:
    assert await stack.run("migrate") == (0, f"Applied: {', '.join(sorted(own_migrations()))}\n")
    code, key = await stack.run("api", "keys", "create", "--name", "first")
    assert code == 0
    async with AsyncExitStack() as started:
        running = {name: await started.enter_async_context(stack.up(name)) for name in SERVICES}
        await ready(stack, running)
        async with asyncio.TaskGroup() as asking:
            checks = [asking.create_task(stack.healthy(name)) for name in ("api", "worker")]
        assert [check.result() for check in checks] == [True, True]

        client = await started.enter_async_context(Wire(stack.url, key.strip()))
        record = await client.upload(RECORD)
        job = await client.result((await client.submit("genomes.analyze", {"file_id": record["id"]}))["id"])
        assert job["state"] == "succeeded", job
        (report,) = [file for file in job["files"] if file["name"] == "report.html"]
        await client.download(report["id"], tmp_path / "report.html")
        assert "NC_000932.1" in (tmp_path / "report.html").read_text()

        jobs = [await client.submit("genomes.analyze", {"file_id": record["id"]}) for _ in range(8)]

        async def begun() -> bool:
            return bool((await client.job(jobs[0]["id"]))["state"] != "queued")

        await until(begun)
        assert await stop(running["worker"]) == 0
        ended = {(job["state"], job["attempt"]) for job in [await client.job(job["id"]) for job in jobs]}
        assert ended == {("succeeded", 1), ("queued", 0)}
        assert (await stack.healthy("api"), await stop(running["worker-downloads"])) == (False, 0)
        assert (await stack.healthy("worker"), await stop(running["api"])) == (False, 0)


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
