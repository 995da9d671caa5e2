"""What a user sees of a download, for every way that NCBI has to go wrong; the other side is the mirror."""

import asyncio
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from arqsvc.families import load_params
from arqsvc.families.genomes.models import DownloadRecord
from arqsvc.infra.storage import Storage
from arqsvc.jobs.record import JobRecord
from arqsvc.settings import Settings
from tests.flow.test_events import by_sse, states, steps
from tests.mirror import faults
from tests.mirror.faults import Fault
from tests.mirror.mirror import Mirror, running_mirror
from tests.mirror.records import Records, md5
from tests.servers import ROOT, worker_process
from tests.service import Service, open_service

RECORD, ASSEMBLY = "NC_000932.1", "GCF_000000932.1"
LENGTH_BP = 154478
KEY = "0123456789abcdef"
FINAL = {"succeeded", "failed", "cancelled"}


@dataclass
class Site:
    """The service with a worker of the program itself, and the NCBI that it asks."""

    service: Service
    mirror: Mirror
    storage: Path

    async def submit(self, accession: str, format: str = "genbank") -> str:  # noqa: A002
        job = await self.service.client.submit("genomes.download", {"accession": accession, "format": format})
        return str(job["id"])

    async def ended(self, accession: str, format: str = "genbank") -> dict[str, Any]:  # noqa: A002
        """Return a job once it has ended; where it waits for its next try, it waits no longer."""
        job = await self.submit(accession, format)
        async for event in self.service.client.follow(job):
            if event["data"].get("state") == "scheduled":
                await JobRecord.filter(id=UUID(job)).update(due_at=datetime.now(UTC))
        return await self.service.client.job(job)

    async def downloaded(self, accession: str, format: str = "genbank") -> dict[str, Any]:  # noqa: A002
        """Return the result of a job that has succeeded."""
        job = await self.ended(accession, format)
        assert job["state"] == "succeeded", job["error"]
        result: dict[str, Any] = job["result"]
        assert [file["name"] for file in job["files"]] == [result["name"]]
        return result

    async def first_outcome(self, accession: str, format: str, **when_met: Fault) -> dict[str, Any]:  # noqa: A002
        """Return what followers are told at the end of the first attempt; requests meet a fault `path=...` for ever."""
        for path, fault in when_met.items():
            self.mirror.fail(fault, path=path, times=None)
        job = await self.submit(accession, format)
        told: dict[str, Any] = {}
        async for event in self.service.client.follow(job):
            told = event["data"]
            if told.get("state") in FINAL | {"scheduled"}:
                break
        if told["state"] == "scheduled":
            await self.service.client.cancel(job)
            await self.service.client.result(job)
        self.mirror.mend()
        return told

    def content(self, result: dict[str, Any]) -> bytes:
        return Storage(self.storage).path(result["sha256"]).read_bytes()

    @property
    def paths(self) -> list[str]:
        """What was asked for so far, by the last piece of the path."""
        return [seen.path.rstrip("/").rpartition("/")[2] for seen in self.mirror.requests]

    def nothing_is_left(self) -> None:
        assert not list((self.storage / "partial").iterdir())


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    """A loopback NCBI with the packaged record, and two versions of an assembly of it."""
    records = Records.packaged()
    records.assembly("GCF_000000932.2", "ASM93v2", [RECORD])
    async with running_mirror(records, api_key=KEY) as mirror:
        yield mirror


@pytest.fixture
async def site(settings: Settings, mirror: Mirror) -> AsyncIterator[Site]:
    """All of it, with a key, so that ten requests a second are allowed."""
    async with open_service(settings.model_copy(update={"stall_s": 1.0}), load_params()) as service:
        environment = {**mirror.environment, "ARQSVC_NCBI_API_KEY": KEY}
        async with worker_process(service.settings, "arqsvc", "worker", env=environment):
            yield Site(service, mirror, settings.storage)


async def test_a_record_or_its_sequence_is_fetched_once(site: Site) -> None:
    text = site.mirror.records.records[RECORD].text
    job = await site.ended("nc_000932")
    result = job["result"]
    assert result == {
        "requested": "NC_000932", "accession": RECORD, "format": "genbank", "name": "NC_000932.1.gb",
        "records": 1, "length_bp": LENGTH_BP, "size_bytes": len(text), "sha256": result["sha256"],
        "md5": md5(text), "declared_md5": None, "source": "NCBI E-utilities",
        "url": f"{site.mirror.eutils_url}/efetch.fcgi", "retrieved_at": result["retrieved_at"],
        "reused": False, "transferred_bytes": len(text),
    }  # fmt: skip
    assert site.content(result) == text
    assert (site.paths, site.mirror.body_bytes()) == (["efetch.fcgi"], len(text))
    assert steps(await by_sse(site.service, job["id"])) == ["resolve", "download", "verify", "complete"]

    again = await site.ended(RECORD)  # the version is known: no request at all
    assert again["result"] == {**result, "requested": RECORD, "reused": True, "transferred_bytes": 0}
    assert len(site.mirror.requests) == 1
    assert steps(await by_sse(site.service, again["id"])) == ["resolve", "complete"]

    await site.downloaded("NC_000932")  # without a version NCBI is asked which is the newest, and no more
    assert site.mirror.requests[-1].query["rettype"] == "acc"
    assert len(site.mirror.requests) == 2

    Storage(site.storage).path(result["sha256"]).write_bytes(text[:1000])
    assert (await site.downloaded(RECORD))["transferred_bytes"] == len(text)
    assert (await site.downloaded(RECORD))["transferred_bytes"] == 0
    (row,) = await DownloadRecord.all()
    assert (row.accession, row.provenance["md5"], row.size_bytes) == (RECORD, md5(text), len(text))
    site.nothing_is_left()

    site.mirror.requests.clear()
    result = await site.downloaded("NC_000932", "fasta")
    assert (result["accession"], result["name"], result["length_bp"]) == (RECORD, "NC_000932.1.fasta", LENGTH_BP)
    assert site.content(result).startswith(b">NC_000932.1 ")
    assert site.paths == ["esummary.fcgi", "efetch.fcgi"]
    await DownloadRecord.all().delete()
    told = await site.first_outcome(RECORD, "fasta", efetch=faults.truncated())
    assert (told["state"], told["reason"]) == ("scheduled", "source_unavailable")
    assert re.search(r"sent [\d,]+ bp of nucleotide record NC_000932.1, which has 154,478 bp", told["error"]["detail"])
    site.nothing_is_left()


async def test_an_assembly_comes_from_the_tree_with_its_checksum_and_goes_on_where_it_broke(site: Site) -> None:
    files = site.mirror.records.assemblies[ASSEMBLY].files
    result = await site.downloaded(ASSEMBLY)
    name = "GCF_000000932.1_ASM93v1_genomic.gbff.gz"
    assert (result["name"], result["records"], result["length_bp"]) == (name, 1, LENGTH_BP)
    assert result["md5"] == result["declared_md5"] == md5(files[name])
    assert (result["source"], result["transferred_bytes"]) == ("NCBI's tree of genomes", len(files[name]))
    assert site.content(result) == files[name]
    assert site.paths == ["dataset_report", "md5checksums.txt", name]
    assert (await site.downloaded(ASSEMBLY))["reused"]
    assert len(site.mirror.requests) == 3
    newest = await site.downloaded("GCF_000000932", "fasta")
    assert (newest["accession"], newest["name"]) == ("GCF_000000932.2", "GCF_000000932.2_ASM93v2_genomic.fna.gz")
    assert (await site.downloaded("GCF_000000932", "fasta"))["reused"]
    assert site.paths[-1] == "dataset_report"

    await DownloadRecord.all().delete()
    site.mirror.requests.clear()
    size, path = len(files[name]), "gbff.gz"
    site.mirror.fail(faults.cut(), path=path)
    site.mirror.fail(faults.stall(), path=path)
    result = await site.downloaded(ASSEMBLY)
    assert result["transferred_bytes"] == size == site.mirror.body_bytes(path)
    first, second, third = site.mirror.seen(path)
    assert "range" not in first.headers
    assert (second.status, third.status, "if-range" in third.headers) == (206, 206, True)

    for other in (faults.no_ranges(), faults.changed_etag()):
        await DownloadRecord.all().delete()
        site.mirror.requests.clear()
        site.mirror.fail(faults.cut(), path=path)
        site.mirror.fail(other, path=path)
        assert (await site.downloaded(ASSEMBLY))["size_bytes"] == size
        assert size < site.mirror.body_bytes(path) < 2 * size  # what cannot be continued is fetched anew


LATER: list[tuple[Fault, str]] = [
    (faults.maintenance(), "NCBI E-utilities sent an HTML page in place of a GenBank flat file .*Site maintenance"),
    (faults.error_body("xml"), "cannot serve nucleotide record NC_000932.1 now and says: 'Unable to obtain query #1'"),
    (faults.empty(), "sent an empty answer in place of a GenBank flat file"),
    (faults.truncated(), r"cannot be used: it ends in the sequence of NC_000932, after [\d,]+ bp and without"),
    (faults.truncated(0.1), "cannot be used: it ends before the sequence of record 1"),
    (faults.cut(), r"broke off after [\d,]+ bytes"),
    (faults.stall(), r"stalled after [\d,]+ bytes"),
    (faults.drip(500), r"stalled after [\d,]+ bytes"),
    (faults.wrong_length(1000), r"broke off after [\d,]+ of [\d,]+ bytes"),
    (faults.wrong_length(-1000), "cannot be used: it ends in the sequence of NC_000932"),
    (faults.status(500), "NCBI E-utilities answered 500 for nucleotide record NC_000932.1: '500 Error'"),
    (faults.status(503), "NCBI E-utilities answered 503"),
]


async def test_what_may_pass_is_tried_again_and_says_what_came(site: Site) -> None:
    for fault, said in LATER:
        told = await site.first_outcome(RECORD, "genbank", efetch=fault)
        outcome = (told["state"], told["reason"], told["error"]["code"], bool(told["due_at"]))
        assert outcome == ("scheduled", "source_unavailable", "source_unavailable", True), (fault.name, told)
        assert re.search(said, told["error"]["detail"]), (fault.name, told["error"]["detail"])
        assert KEY not in str(told)
        site.nothing_is_left()
    for fault in (faults.status(500), faults.truncated()):  # what follows is whole: the job does it by itself
        site.mirror.fail(fault)
    job = await site.ended(RECORD)
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["failed", "failed", "succeeded"]
    asked = len(site.mirror.requests)
    site.mirror.fail(faults.status(500), times=None)  # for ever: it ends after four tries
    job = await site.ended("NC_000932", "fasta")
    assert (job["state"], job["reason"], len(job["attempts"])) == ("failed", "source_unavailable", 4)
    assert len(site.mirror.requests) == asked + 4


MASTER = b"LOCUS       NZ_ABCD00000000          30 rc    DNA     linear   BCT 01-JAN-2020\nDEFINITION  x.\n//\n"
PROTEIN = b"LOCUS       NP_900004    2 aa\nDEFINITION  x.\nFEATURES\nORIGIN\n        1 mk\n//\n"


async def test_what_does_not_pass_ends_at_once_and_says_why(site: Site) -> None:
    records = site.mirror.records
    records.add("NC_900001.1", records.records[RECORD].contig_only.replace(b"NC_000932", b"NC_900001"))
    records.add("NC_900002.1", records.records[RECORD].text)
    records.add("NC_900003.1", MASTER)
    records.add("NC_900004.1", PROTEIN)
    records.add("NC_000932.7", records.records[RECORD].text)
    cases: list[tuple[str, Fault | None, str]] = [
        ("NC_999999.9", None, r"^NCBI has no nucleotide record NC_999999.9. Check the accession.$"),
        (RECORD, faults.error_body("text"), "^NCBI has no nucleotide record NC_000932.1"),
        (RECORD, faults.asn1(), "NCBI E-utilities sent ASN.1 in place of a GenBank flat file"),
        (RECORD, faults.status(404), "NCBI E-utilities answered 404 for nucleotide record NC_000932.1"),
        (RECORD, faults.redirect_loop(), "redirects"),
        ("NC_900001.1", None, r"holds none. Ask for an assembly"),
        ("NC_900002.1", None, r"^NCBI E-utilities was asked for NC_900002.1 and sent NC_000932.1.$"),
        ("NC_000932.7", None, "was asked for NC_000932.7 and sent NC_000932.1"),
        ("NC_900003.1", None, r"is a master record, .* Ask for an assembly"),
        ("NC_900004.1", None, "is a protein record"),
        ("GCF_999999999.1", None, "^NCBI has no assembly GCF_999999999.1"),
    ]
    for accession, fault, said in cases:
        site.mirror.mend()
        if fault:
            site.mirror.fail(fault, times=None)
        job = await site.ended(accession)
        told = (job["state"], job["reason"], job["error"]["code"], len(job["attempts"]))
        assert told == ("failed", "source_refused", "source_refused", 1), (accession, job["error"])
        assert re.search(said, job["error"]["detail"]), (accession, job["error"]["detail"])
        site.nothing_is_left()
    assert not await DownloadRecord.exists()
    site.mirror.mend()
    site.mirror.fail(faults.redirect())  # one is followed
    assert (await site.downloaded(RECORD))["accession"] == RECORD


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


async def test_twice_the_same_and_not_as_declared_is_kept_aside(site: Site) -> None:
    site.mirror.fail(faults.wrong_md5(), path="md5checksums", times=None)
    content = site.mirror.records.assemblies[ASSEMBLY].files["GCF_000000932.1_ASM93v1_genomic.gbff.gz"]
    job = await site.ended(ASSEMBLY)
    error = job["error"]
    assert (job["state"], job["reason"], len(job["attempts"])) == ("failed", "source_mismatch", 1)
    assert (error["computed"], error["declared"]) == (md5(content), md5(content)[::-1])
    assert re.match("NCBI's tree of genomes sent GCF_.* twice with MD5 .* and declares MD5", error["detail"])
    assert str(site.storage) not in str(job)
    assert (site.storage / "aside" / error["kept"]).read_bytes() == content
    assert len(site.mirror.seen("gbff.gz")) == 2
    assert not site.mirror.seen("/download")
    assert not await DownloadRecord.exists()
    site.nothing_is_left()


async def test_another_source_serves_what_the_first_does_not(site: Site) -> None:
    record = site.mirror.records.records[RECORD].text
    cases: list[tuple[Fault, str]] = [
        (faults.damaged(same=False), "gbff.gz"),
        (faults.status(404), "gbff.gz"),
        (faults.status(500), "/genomes/"),
        (faults.maintenance(), "md5checksums"),
    ]
    for fault, path in cases:
        await DownloadRecord.all().delete()
        site.mirror.mend()
        site.mirror.fail(fault, path=path, times=None)
        result = await site.downloaded(ASSEMBLY)
        assert (result["source"], result["name"]) == ("NCBI Datasets", "GCF_000000932.1_genomic.gbff"), fault.name
        assert site.content(result) == record
        assert result["md5"] == result["declared_md5"] == md5(record)
        site.nothing_is_left()
    await DownloadRecord.all().delete()
    fasta = await site.downloaded(ASSEMBLY, "fasta")
    assert (fasta["source"], fasta["length_bp"]) == ("NCBI Datasets", LENGTH_BP)
    site.mirror.mend()
    await DownloadRecord.all().delete()
    site.mirror.fail(faults.damaged(), path="gbff.gz")  # once: the second go is whole
    assert (await site.downloaded(ASSEMBLY))["source"] == "NCBI's tree of genomes"
    site.mirror.fail(faults.status(500), path="/datasets/", times=None)
    assert (await site.downloaded("GCF_000000932.2"))["source"] == "NCBI's tree of genomes"


async def test_a_package_that_is_not_whole_is_not_taken(site: Site) -> None:
    cases: list[tuple[Fault, str, str]] = [
        (faults.junk_zip(), "genbank", "the zip archive is damaged"),
        (faults.truncated(), "genbank", "the zip archive is damaged"),
        (faults.missing_member(), "genbank", "the package lists GCF_000000932.1/genomic.gbff and does not hold it"),
        (faults.truncated_member(), "genbank", "has MD5 .* and the package declares"),
        (faults.wrong_md5(), "genbank", "has MD5 .* and the package declares"),
        (faults.truncated_member(with_md5=False), "genbank", "it ends in the sequence of NC_000932"),
        (faults.truncated_member(with_md5=False), "fasta", "bp of assembly GCF_000000932.1, which has 154,478 bp"),
        (faults.maintenance(), "genbank", "an HTML page in place of a zip archive"),
    ]
    for fault, kind, said in cases:
        told = await site.first_outcome(ASSEMBLY, kind, genomes=faults.status(404), download=fault)
        detail = told["error"]["detail"]
        assert (told["state"], told["reason"]) == ("scheduled", "source_unavailable"), (fault.name, told)
        assert re.search(said, detail), (fault.name, detail)
        assert detail.startswith("NCBI's tree of genomes does not hold assembly GCF_000000932.1. NCBI Datasets sent ")
        site.nothing_is_left()
    other = faults.other_record("GCF_000000932.2")  # whole, and without what was asked for: so it will be next time
    told = await site.first_outcome(ASSEMBLY, "genbank", genomes=faults.status(404), download=other)
    assert (told["state"], told["reason"]) == ("failed", "source_refused")
    assert "holds 0 files genomic.gbff of GCF_000000932.1, not one. The assembly may" in told["error"]["detail"]
    assert not await DownloadRecord.exists()


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
