"""A real genome through the whole spine, undisturbed and disturbed: always the same result."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from redis.asyncio import Redis

from arqsvc.families import load_params
from arqsvc.settings import Settings
from tests.cli.program import Program
from tests.flow.test_events import by_sse, by_websocket, states, steps
from tests.servers import worker_process
from tests.service import Service, open_service
from tests.waiting import until

pytestmark = pytest.mark.shared_data

K12 = "NC_000913.3_ecoli_k12_mg1655.gbk.gz"
STEPS = {
    "codon analysis": 0.10,
    "gene analysis": 0.35,
    "genome statistics": 0.60,
    "validation": 0.80,
    "visualization": 0.90,
    "complete": 1.0,
}


@pytest.fixture
async def genomes(settings: Settings) -> AsyncIterator[Service]:
    """The API with the kinds that the program has; no worker."""
    async with open_service(settings, load_params()) as service:
        yield service


def worker(service: Service) -> Any:
    """Run a worker of the program itself."""
    return worker_process(service.settings, "arqsvc", "worker")


async def submit_k12(service: Service, shared_data: Path) -> str:
    file = await service.client.upload(shared_data / "genomes" / K12)
    return str((await service.client.submit("genomes.analyze", {"file_id": file["id"]}))["id"])


async def result_of(service: Service, job: str) -> bytes:
    """Return `result.json` of a job that has succeeded."""
    ended = await service.client.result(job)
    assert ended["state"] == "succeeded", ended
    (file,) = [file for file in ended["files"] if file["name"] == "result.json"]
    return (await service.http.get(file["href"].removeprefix("/api/v1"))).content


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> bytes:
    """`result.json` of K-12 as the child's function writes it, without any service."""
    from arqsvc.families.genomes.analysis import analyse

    out = tmp_path_factory.mktemp("known")
    analyse(shared_data / "genomes" / K12, out, None, None, 2**31, report=lambda step, fraction: None)
    return (out / "result.json").read_bytes()


async def in_analysis(service: Service, job: str) -> None:
    """Return once the child has begun to compute."""
    async for event in service.client.follow(job):
        if event["type"] == "progress":
            return


async def test_k12_by_http_with_both_streams(genomes: Service, shared_data: Path, known: bytes) -> None:
    async with worker(genomes):
        job = await submit_k12(genomes, shared_data)
        for transport in (by_websocket, by_sse):
            events = await transport(genomes, job)
            assert states(events) == ["queued", "running", "succeeded"]
            assert steps(events) == list(STEPS)
            assert {e["data"]["step"]: e["data"]["fraction"] for e in events if e["type"] == "progress"} == STEPS
            events_again = await transport(genomes, job, events[-2]["id"])
            assert events_again == events[-1:]
        assert await result_of(genomes, job) == known
    ended = await genomes.client.job(job)
    assert (ended["result"]["cds"], ended["result"]["errors"], ended["result"]["notices"]) == (4319, 0, 4)
    names = {file["name"] for file in ended["files"]}
    assert names >= {"report.html", "result.json", "run.json", "codons.tsv", "genes.tsv", "validation.tsv"}
    assert len([name for name in names if name.endswith(".svg")]) == 5
    (attempt,) = ended["attempts"]
    assert 0 < attempt["peak_memory_bytes"] < 300 * 2**20
    assert attempt["cpu_s"] > 0


async def test_k12_with_its_worker_killed_in_mid_analysis(genomes: Service, shared_data: Path, known: bytes) -> None:
    async with worker(genomes) as first:
        job = await submit_k12(genomes, shared_data)
        await in_analysis(genomes, job)
        os.kill(first.pid, SIGKILL)
        await first.wait()
    async with worker(genomes):
        assert await result_of(genomes, job) == known
    ended = await genomes.client.job(job)
    assert [attempt["outcome"] for attempt in ended["attempts"]] == ["lost", "succeeded"]
    assert len({file["name"] for file in ended["files"]}) == len(ended["files"])


async def test_k12_with_redis_emptied_in_mid_analysis(genomes: Service, shared_data: Path, known: bytes) -> None:
    async with worker(genomes):
        job = await submit_k12(genomes, shared_data)
        await in_analysis(genomes, job)
        assert genomes.settings.redis_url
        async with Redis.from_url(genomes.settings.redis_url.get_secret_value()) as redis:
            await redis.flushall()
        assert await result_of(genomes, job) == known
    assert len((await genomes.client.job(job))["attempts"]) == 1


async def test_k12_with_up_killed_in_mid_analysis(program: Program, shared_data: Path, known: bytes) -> None:
    async with program.up() as (process, _):
        command = await program.start("analyze", shared_data / "genomes" / K12)
        assert command.stderr
        async for line in command.stderr:
            if b"codon analysis" in line:
                break
        process.send_signal(SIGKILL)
        command.send_signal(SIGKILL)
        await process.communicate()
        await command.communicate()
    await until(lambda: not program.processes())
    async with program.up():
        (listed,) = [json.loads(line) for line in (await program.run("jobs", "list", "--json"))[1].splitlines()]
        code, out, _ = await program.run("jobs", "watch", listed["id"])
        assert (code, "succeeded" in out) == (0, True)
        instance = json.loads((program.state / "client.json").read_text())
        from arqsvc.client.wire import Wire

        async with Wire(instance["url"], instance["api_key"]) as client:
            (file,) = [f for f in (await client.job(listed["id"]))["files"] if f["name"] == "result.json"]
            await client.download(file["id"], program.home / "result.json")
    assert (program.home / "result.json").read_bytes() == known


async def test_a_cancelled_analysis_is_gone_with_its_child_and_scratch(genomes: Service, shared_data: Path) -> None:
    async with worker(genomes):
        job = await submit_k12(genomes, shared_data)
        await in_analysis(genomes, job)
        await genomes.client.cancel(job)
        ended = await genomes.client.result(job)
        assert (ended["state"], ended["files"], ended["result"]) == ("cancelled", [], None)
        assert not list(genomes.settings.scratch.glob("*/*"))
