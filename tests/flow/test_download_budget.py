"""What NCBI asks of those who download: to wait, to show a key that is right, and not to come too often."""

import asyncio
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from uuid import UUID

import httpx

from arqsvc.families import load_params
from arqsvc.jobs.record import JobRecord
from arqsvc.settings import Settings
from tests.flow.site import KEY, RECORD, Site
from tests.flow.test_events import by_sse, states
from tests.mirror import faults
from tests.mirror.mirror import Mirror
from tests.servers import ROOT, worker_process
from tests.service import open_service


async def test_a_source_that_asks_to_wait_is_obeyed_without_a_try(site: Site) -> None:
    waits = [
        (faults.status(429, 1), 1.0),
        (faults.status(429, 1, as_date=True), 0.0),  # a date has no fractions
        (faults.status(429), 1.0),
        (faults.status(503, 1), 1.0),
        (faults.error_body("json"), 1.0),
    ]
    for fault, _ in waits:
        site.mirror.fail(fault)
    job = await site.submit(RECORD)
    events = await by_sse(site.service, job)
    throttled = [event["data"] for event in events if event["data"].get("reason") == "throttled"]
    assert len(throttled) == len(waits)
    for told in throttled:
        assert told["state"] == "scheduled"
        assert re.match(r"127.0.0.1:\d+ asks to wait until \d\d:\d\d:\d\d UTC\.", told["error"]["detail"])
        assert told["error"]["until"].endswith("Z")
    assert states(events)[-1] == "succeeded"
    times = [seen.time for seen in site.mirror.requests]
    for (fault, waited_s), (before, after) in zip(waits, pairwise(times), strict=True):
        assert after - before >= waited_s, fault.name
    assert KEY not in str(events)
    ended = await JobRecord.get(id=UUID(job))
    assert ended.failures == 0


async def test_a_wrong_key_is_said_and_not_shown(settings: Settings, mirror: Mirror) -> None:
    async with open_service(settings, load_params()) as service:
        environment = {**mirror.environment, "ARQSVC_NCBI_API_KEY": "wrong-and-secret"}
        async with worker_process(service.settings, "arqsvc", "worker", env=environment):
            job = await service.ended("genomes.download", {"accession": RECORD})
    assert (job["state"], job["reason"]) == ("failed", "source_refused")
    assert "Correct ARQSVC_NCBI_API_KEY" in job["error"]["detail"]
    assert "wrong-and-secret" not in str(job)


@asynccontextmanager
async def lone_mirror() -> AsyncIterator[dict[str, str]]:
    """Run a mirror in a process of its own, whose clock nothing else holds up; yields its variables."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.mirror", cwd=ROOT, stdin=DEVNULL, stdout=PIPE
    )
    try:
        assert process.stdout
        lines = [(await process.stdout.readline()).decode().split()[1] for _ in range(3)]
        yield dict(line.split("=", 1) for line in lines)
    finally:
        process.terminate()
        await process.communicate()


async def test_the_fleet_keeps_to_three_requests_a_second(settings: Settings) -> None:
    async with lone_mirror() as environment, open_service(settings, load_params()) as service:
        first = worker_process(service.settings, "arqsvc", "worker", env=environment)
        second = worker_process(service.settings, "arqsvc", "worker", env=environment)
        async with first, second:
            asked = [{"accession": f"NC_90000{number}.1"} for number in range(8)]
            jobs = [await service.client.submit("genomes.download", params) for params in asked]
            ended = [await service.client.result(job["id"]) for job in jobs]
        url = environment["ARQSVC_EUTILS_URL"].replace("/entrez/eutils", "/_requests")
        async with httpx.AsyncClient(trust_env=False) as http:
            times = [seen["time"] for seen in (await http.get(url)).json()]
    assert {job["reason"] for job in ended} == {"source_refused"}  # NCBI has none of them: one request each
    assert len(times) == len(jobs)
    assert all(after - before >= 1 for before, after in zip(times, times[3:], strict=False))
