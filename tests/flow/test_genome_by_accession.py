"""K-12 by its accession, from a loopback NCBI through the whole spine, undisturbed and disturbed: the same result."""

import asyncio
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
from tests.flow.test_events import by_sse, states, steps
from tests.flow.test_genome import known, result_of
from tests.mirror import faults
from tests.mirror.mirror import Mirror, running_mirror
from tests.mirror.records import Records
from tests.servers import worker_process
from tests.service import Service, open_service
from tests.waiting import until

pytestmark = pytest.mark.shared_data

__all__ = ["known"]

K12 = "NC_000913.3"
ASSEMBLY = "GCF_000005845.2"


@pytest.fixture(scope="session")
def records(shared_data: Path) -> Records:
    return Records.shared(shared_data)


@pytest.fixture
async def mirror(records: Records) -> AsyncIterator[Mirror]:
    """A loopback NCBI; at its end no second held more requests than NCBI allows."""
    async with running_mirror(records) as mirror:
        yield mirror
        for service in ("efetch", "/datasets/", "/genomes/"):
            assert mirror.fullest_second(service) <= 3


@pytest.fixture
async def genomes(settings: Settings) -> AsyncIterator[Service]:
    """The API with the kinds that the program has; no worker."""
    async with open_service(settings, load_params()) as service:
        yield service


def worker(service: Service, mirror: Mirror) -> Any:
    """Run a worker of the program itself that asks the mirror."""
    return worker_process(service.settings, "arqsvc", "worker", env=mirror.environment)


async def submit(service: Service, accession: str = K12) -> tuple[str, str]:
    """Ask for an analysis; returns its id, and that of the download that it needs."""
    job = await service.client.submit("genomes.analyze", {"accession": accession})
    assert job["state"] == "blocked"
    (download,) = [need["id"] for need in job["needs"] if need["kind"] == "genomes.download"]
    return job["id"], download


async def downloaded(service: Service, download: str) -> dict[str, Any]:
    """Return the result of a download that has succeeded, with its attempts."""
    job = await service.client.result(download)
    assert job["state"] == "succeeded", job["error"]
    return {**job["result"], "attempts": [attempt["outcome"] for attempt in job["attempts"]]}


def written_bytes(service: Service) -> int:
    """Return how much of a transfer lies on the disk."""
    partial = service.settings.storage / "partial"
    return sum(path.stat().st_size for path in partial.iterdir() if path.suffix != ".json")


async def test_a_record(genomes: Service, mirror: Mirror, known: bytes) -> None:
    async with worker(genomes, mirror):
        job, download = await submit(genomes)
        assert await result_of(genomes, job) == known
        events = await by_sse(genomes, download)
        assert (states(events), steps(events)) == (
            ["queued", "running", "succeeded"],
            ["resolve", "download", "verify", "complete"],
        )
        said = await downloaded(genomes, download)
        assert (said["accession"], said["records"], said["length_bp"]) == (K12, 1, 4_641_652)
        assert said["transferred_bytes"] == said["size_bytes"] == mirror.body_bytes("efetch")
        # The same again costs no request.
        asked = len(mirror.requests)
        job, download = await submit(genomes)
        assert await result_of(genomes, job) == known
        said = await downloaded(genomes, download)
        assert (said["reused"], said["transferred_bytes"], len(mirror.requests)) == (True, 0, asked)


async def test_an_assembly(genomes: Service, mirror: Mirror, known: bytes) -> None:
    async with worker(genomes, mirror):
        job, download = await submit(genomes, ASSEMBLY)
        assert await result_of(genomes, job) == known
    said = await downloaded(genomes, download)
    assert (said["accession"], said["md5"]) == (ASSEMBLY, said["declared_md5"])
    assert said["transferred_bytes"] == said["size_bytes"] == mirror.body_bytes("genomic.gbff.gz")


async def test_with_the_worker_killed_in_mid_download(genomes: Service, mirror: Mirror, known: bytes) -> None:
    mirror.fail(faults.hold(0.5), path="efetch")
    async with worker(genomes, mirror) as first:
        job, download = await submit(genomes)
        await mirror.reached()
        os.kill(first.pid, SIGKILL)
        await first.wait()
    async with worker(genomes, mirror):
        assert await result_of(genomes, job) == known
    said = await downloaded(genomes, download)
    assert said["attempts"] == ["lost", "succeeded"]
    assert len(mirror.seen("efetch")) == 2
    assert (
        said["size_bytes"] < mirror.body_bytes("efetch") < 1.6 * said["size_bytes"]
    )  # efetch cannot go on in the middle


async def test_an_assembly_with_the_worker_killed_goes_on_where_it_was(
    genomes: Service, mirror: Mirror, known: bytes
) -> None:
    mirror.fail(faults.hold(0.5), path="genomic.gbff.gz")
    async with worker(genomes, mirror) as first:
        job, download = await submit(genomes, ASSEMBLY)
        await mirror.reached()
        await until(lambda: written_bytes(genomes) > 1_000_000)
        os.kill(first.pid, SIGKILL)
        await first.wait()
    written = written_bytes(genomes)
    async with worker(genomes, mirror):
        assert await result_of(genomes, job) == known
    said = await downloaded(genomes, download)
    assert said["transferred_bytes"] == said["size_bytes"] - written


async def test_with_the_transfer_cut_at_60_percent(genomes: Service, mirror: Mirror, known: bytes) -> None:
    mirror.fail(faults.cut(0.6), path="efetch")
    mirror.fail(faults.truncated(0.6), path="efetch")
    async with worker(genomes, mirror):
        job, download = await submit(genomes)
        assert await result_of(genomes, job) == known
    said = await downloaded(genomes, download)
    assert said["attempts"] == ["failed", "failed", "succeeded"]
    assert said["transferred_bytes"] == said["size_bytes"]


async def test_an_assembly_cut_at_60_percent_goes_on_there(genomes: Service, mirror: Mirror, known: bytes) -> None:
    mirror.fail(faults.cut(0.6), path="genomic.gbff.gz")
    async with worker(genomes, mirror):
        job, download = await submit(genomes, ASSEMBLY)
        assert await result_of(genomes, job) == known
    said = await downloaded(genomes, download)
    assert (said["attempts"], said["transferred_bytes"]) == (["succeeded"], said["size_bytes"])
    assert mirror.body_bytes("genomic.gbff.gz") < 1.01 * said["size_bytes"]


async def test_with_redis_emptied_in_mid_download(genomes: Service, mirror: Mirror, known: bytes) -> None:
    mirror.fail(faults.hold(0.5), path="efetch")
    async with worker(genomes, mirror):
        job, download = await submit(genomes)
        await mirror.reached()
        assert genomes.settings.redis_url
        async with Redis.from_url(genomes.settings.redis_url.get_secret_value()) as redis:
            await redis.flushall()
        mirror.release()
        assert await result_of(genomes, job) == known
    said = await downloaded(genomes, download)
    assert (said["attempts"], said["transferred_bytes"]) == (["succeeded"], said["size_bytes"])


async def test_with_429_for_ten_seconds(genomes: Service, mirror: Mirror, known: bytes) -> None:
    mirror.fail(faults.status(429, 3), path="efetch", seconds=10)
    async with worker(genomes, mirror):
        job, download = await submit(genomes)

        async def throttled() -> bool:
            return bool((await genomes.client.job(download))["reason"] == "throttled")

        await until(throttled)
        said = await genomes.client.job(download)
        assert (said["state"], said["tries"]) == ("scheduled", 4)
        assert said["due_at"]
        assert "127.0.0.1" in said["error"]["detail"]
        assert "until" in said["error"]["detail"]
        assert await result_of(genomes, job) == known
    outcomes = (await downloaded(genomes, download))["attempts"]
    assert set(outcomes) == {"throttled", "succeeded"}
    assert len(mirror.seen("efetch")) == len(outcomes) <= 6


async def test_five_clients_at_once_share_one_transfer(genomes: Service, mirror: Mirror, known: bytes) -> None:
    mirror.fail(faults.hold(0.5), path="efetch")
    async with worker(genomes, mirror), worker(genomes, mirror):
        async with asyncio.TaskGroup() as group:
            submitted = [group.create_task(submit(genomes)) for _ in range(5)]
        jobs = [task.result() for task in submitted]

        async def all_running() -> bool:
            return all([(await genomes.client.job(download))["state"] == "running" for _, download in jobs])

        await until(all_running)
        first, *others = jobs
        await genomes.client.cancel(first[0])
        assert (await genomes.client.result(first[1]))["state"] == "cancelled"
        mirror.release()
        for job, _ in others:
            assert await result_of(genomes, job) == known
    assert len(mirror.seen("efetch")) == 1
    for _, download in others:
        said = await downloaded(genomes, download)
        assert said["transferred_bytes"] == said["size_bytes"] == mirror.body_bytes("efetch")


async def test_the_command_line(program: Program, mirror: Mirror, known: bytes) -> None:
    code, out, err = await program.run("analyze", K12, ASSEMBLY, **mirror.environment)
    assert (code, "download" in err) == (0, True), err
    for folder in ("NC_000913.3", "NC_000913.3-2"):
        assert (program.home / "arqsvc-out" / folder / "result.json").read_bytes() == known
        assert f"{folder}/report.html" in out
    code, out, err = await program.run(
        "download", K12, ASSEMBLY, "NC_001416", "--format", "fasta", **mirror.environment
    )
    assert code == 0, err
    assert (program.home / "NC_000913.3.fasta").read_bytes().startswith(b">NC_000913.3 ")
    assert (program.home / "NC_001416.1.fasta").is_file()
