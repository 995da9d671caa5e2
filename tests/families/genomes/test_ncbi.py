"""NCBI's services, asked through the real client and the fleet's budget; the other side is the mirror."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from arqsvc.bio.accession import parse
from arqsvc.errors import ArqsvcError, SourceAway, SourceRefused, SourceUnavailable, Throttled
from arqsvc.families.genomes.ncbi.assemblies import Assemblies, Assembly, open_assemblies
from arqsvc.families.genomes.ncbi.eutils import Eutils, Summary, open_eutils
from arqsvc.families.genomes.ncbi.service import Remote
from arqsvc.families.genomes.settings import GenomesSettings
from arqsvc.infra.http import Fetched, Http, open_http
from arqsvc.infra.redis import open_redis
from arqsvc.settings import Settings
from tests.mirror import faults
from tests.mirror.bodies import body
from tests.mirror.mirror import Mirror, running_mirror
from tests.mirror.records import Records, md5

KEY = "0123456789abcdef"
RECORD, ASSEMBLY = "NC_000932.1", "GCF_000000932.1"
KNOWN = Assembly(parse(ASSEMBLY), "ASM93v1", "current", 154478)


async def unheard(done: int, total: int | None) -> None:
    """Take no notice of how far it has come."""


@dataclass
class Ncbi:
    """The services as the family asks them, and the mirror behind."""

    mirror: Mirror
    http: Http
    folder: Path

    def settings(self, **more: str) -> GenomesSettings:
        return GenomesSettings.read({**self.mirror.environment, "ARQSVC_NCBI_API_KEY": KEY, **more})

    @property
    def eutils(self) -> Eutils:
        return open_eutils(self.http, self.settings())

    @property
    def assemblies(self) -> Assemblies:
        return open_assemblies(self.http, self.settings())

    async def fetch(self, remote: Remote) -> Fetched:
        return await remote.fetch(self.folder / "partial", unheard)


@asynccontextmanager
async def open_ncbi(records: Records, redis_url: str, folder: Path) -> AsyncIterator[Ncbi]:
    settings = Settings.read({}, state_dir=folder / "state", stall_s=0.5)
    async with (
        running_mirror(records, api_key=KEY) as mirror,
        open_redis(redis_url) as redis,
        open_http(settings, redis) as http,
    ):
        yield Ncbi(mirror, http, folder)
        assert mirror.over_budget() == {}


@pytest.fixture
async def ncbi(redis_url: str, tmp_path: Path) -> AsyncIterator[Ncbi]:
    """The services, with the packaged record and two versions of an assembly of it."""
    records = Records.packaged()
    records.assembly("GCF_000000932.2", "ASM93v2 (final)", [RECORD])
    records.assemblies["GCF_000000932.2"] = replace(records.assemblies["GCF_000000932.2"], name="ASM93v2__final_")
    async with open_ncbi(records, redis_url, tmp_path) as ncbi:
        yield ncbi


async def test_a_record_is_fetched_as_it_is(ncbi: Ncbi) -> None:
    fetched = await ncbi.fetch(await ncbi.eutils.record(parse(RECORD), "genbank"))
    assert fetched.path.read_bytes() == ncbi.mirror.records.records[RECORD].text
    assert fetched.url == f"{ncbi.mirror.eutils_url}/efetch.fcgi"
    (seen,) = ncbi.mirror.requests
    assert seen.query == {
        "db": "nuccore", "id": RECORD, "rettype": "gbwithparts", "retmode": "text", "tool": "arqsvc", "api_key": KEY,
    }  # fmt: skip


async def test_who_asks_is_said_and_the_key_is_sent_where_it_belongs(ncbi: Ncbi) -> None:
    settings = ncbi.settings(ARQSVC_NCBI_EMAIL="someone@example.org")
    eutils, assemblies = open_eutils(ncbi.http, settings), open_assemblies(ncbi.http, settings)
    assert await eutils.current(parse("nc_000932")) == parse(RECORD)
    await assemblies.in_tree(await assemblies.resolve(parse(ASSEMBLY)), "genbank")
    efetch, report, sums = ncbi.mirror.requests
    assert (efetch.query["api_key"], efetch.query["email"], efetch.query["tool"]) == (
        KEY,
        "someone@example.org",
        "arqsvc",
    )
    assert report.headers["api-key"] == KEY
    assert KEY not in str((sums.headers, sums.query)) + str(report.query)
    assert (eutils.service.budget.per_s, assemblies.datasets.budget.per_s, assemblies.tree.budget.per_s) == (10, 10, 3)
    assert KEY not in repr((eutils, assemblies, settings, eutils.service.budget))
    assert "someone" not in repr((eutils, settings))


async def test_a_version_is_resolved_and_a_summary_tells_the_length(ncbi: Ncbi) -> None:
    assert await ncbi.eutils.current(parse("NC_000932")) == parse(RECORD)
    assert await ncbi.eutils.summary(parse("NC_000932")) == Summary(parse(RECORD), 154478)
    for asked in (ncbi.eutils.current, ncbi.eutils.summary):
        with pytest.raises(SourceRefused, match=r"NCBI has no nucleotide record NC_999999.9"):
            await asked(parse("NC_999999.9"))


DEEP = b"[" * 100_000
ENTRY = '{"result":{"uids":["1"],"1":{"accessionversion":"%s","slen":%s}}}'
NO_SUMMARIES = [DEEP, *((ENTRY % pair).encode() for pair in (("NC_000932", 1), ("NC_9.<b>", 1), (RECORD, "Infinity")))]


@pytest.mark.parametrize("text", NO_SUMMARIES, ids=["deep", "no_version", "no_accession", "endless"])
async def test_a_summary_that_cannot_be_is_none(ncbi: Ncbi, text: bytes) -> None:
    ncbi.mirror.fail(body(text))
    with pytest.raises(SourceRefused, match="sent JSON in place of a summary"):
        await ncbi.eutils.summary(parse(RECORD))


REFUSED: list[tuple[faults.Fault, type[ArqsvcError], str]] = [
    (faults.error_body("text"), SourceRefused, "NCBI has no nucleotide record NC_000932.1. Check the accession."),
    (faults.error_body("xml"), SourceUnavailable, "'Unable to obtain query #1'"),
    (faults.maintenance(), SourceUnavailable, "an HTML page in place of a GenBank flat file .* Site maintenance'"),
    (faults.asn1(), SourceRefused, "sent ASN.1 in place of a GenBank flat file for nucleotide record NC_000932.1"),
    (faults.empty(), SourceUnavailable, "sent an empty answer in place of a GenBank flat file"),
    (faults.status(404), SourceRefused, "answered 404 for nucleotide record NC_000932.1: '404 Error'"),
    (faults.status(500), SourceAway, "answered 500"),
    (faults.cut(), SourceUnavailable, "broke off after"),
    (faults.stall(), SourceUnavailable, "stalled after|stalled at"),
]


@pytest.mark.parametrize(("fault", "error", "said"), REFUSED, ids=[fault.name for fault, _, _ in REFUSED])
async def test_what_is_no_record_is_an_error_that_says_what_came(
    ncbi: Ncbi, fault: faults.Fault, error: type[ArqsvcError], said: str
) -> None:
    ncbi.mirror.fail(fault, times=None)
    with pytest.raises(error, match=said) as raised:
        await ncbi.fetch(await ncbi.eutils.record(parse(RECORD), "genbank"))
    assert type(raised.value) is error
    assert not list(ncbi.folder.glob("partial*"))
    assert "tool=" not in raised.value.detail


async def test_a_limit_under_status_200_lets_the_fleet_pause(ncbi: Ncbi) -> None:
    for ask in (
        ncbi.eutils.current(parse(RECORD)),
        ncbi.eutils.summary(parse(RECORD)),
        ncbi.fetch(await ncbi.eutils.record(parse(RECORD), "genbank")),
    ):
        ncbi.mirror.fail(faults.error_body("json"))
        with pytest.raises(
            Throttled, match=r"asks to wait until \d\d:\d\d:\d\d UTC. It said: API rate limit"
        ) as raised:
            await ask
        assert raised.value.delay_s > 0.5  # type: ignore[operator]
        assert raised.value.facts["until"]
        redis_keys = [name async for name in ncbi.http.budgets._redis.scan_iter("*paused*")]
        assert redis_keys
        await ncbi.http.budgets._redis.delete(*redis_keys)


async def test_a_wrong_key_is_said_and_not_shown(ncbi: Ncbi) -> None:
    eutils = open_eutils(ncbi.http, ncbi.settings(ARQSVC_NCBI_API_KEY="wrong-and-secret"))
    with pytest.raises(SourceRefused, match=r"Correct ARQSVC_NCBI_API_KEY") as raised:
        await ncbi.fetch(await eutils.record(parse(RECORD), "genbank"))
    error: BaseException | None = raised.value
    while error:
        assert "wrong-and-secret" not in f"{error} {vars(error)}"
        error = error.__cause__ or error.__context__


async def test_an_assembly_is_resolved_by_datasets(ncbi: Ncbi) -> None:
    old = await ncbi.assemblies.resolve(parse(ASSEMBLY))
    assert (old.accession.text, old.name, old.status, old.length_bp) == (ASSEMBLY, "ASM93v1", "previous", 154478)
    new = await ncbi.assemblies.resolve(parse("GCF_000000932"))
    assert (new.accession.text, new.status) == ("GCF_000000932.2", "current")


FAILING = [faults.status(500), faults.status(404), faults.maintenance(), faults.asn1(), faults.empty(), body(DEEP)]


@pytest.mark.parametrize("fault", FAILING, ids=[fault.name for fault in FAILING])
async def test_where_datasets_fails_the_tree_is_asked_which_is_the_newest(ncbi: Ncbi, fault: faults.Fault) -> None:
    ncbi.mirror.fail(fault, path="dataset_report", times=None)
    newest = await ncbi.assemblies.resolve(parse("GCF_000000932"))
    assert newest == Assembly(parse("GCF_000000932.2"), "ASM93v2__final_")
    assert await ncbi.assemblies.resolve(parse(ASSEMBLY)) == Assembly(parse(ASSEMBLY))  # which needs no newest
    remote = await ncbi.assemblies.in_tree(Assembly(parse(ASSEMBLY)), "genbank")
    assert remote.name == f"{ASSEMBLY}_ASM93v1_genomic.gbff.gz"


@pytest.mark.parametrize(
    "changed",
    [
        {"assembly_info": {"assembly_name": "x" * 300, "assembly_status": "current"}},
        {"assembly_info": {"assembly_name": "ASM\0", "assembly_status": "current"}},
        {"assembly_info": {"assembly_name": "ASM93v1", "assembly_status": "\ud800"}},
        {"assembly_stats": {"total_sequence_length": float("inf")}},
        {"accession": f"{ASSEMBLY}/../../x"},
        {"accession": "GCF_000000932"},
    ],
)
async def test_a_report_that_cannot_be_is_none(ncbi: Ncbi, changed: dict[str, Any]) -> None:
    sound = {"accession": ASSEMBLY, "assembly_info": {"assembly_name": "ASM93v1", "assembly_status": "current"}}
    ncbi.mirror.fail(body(json.dumps({"reports": [sound]}).encode()))
    assert (await ncbi.assemblies.resolve(parse(ASSEMBLY))).name == "ASM93v1"
    ncbi.mirror.fail(body(json.dumps({"reports": [{**sound, **changed}]}).encode()))
    assert await ncbi.assemblies.resolve(parse(ASSEMBLY)) == Assembly(parse(ASSEMBLY))


async def test_a_datasets_that_asks_to_wait_holds_up_no_version_that_is_known(ncbi: Ncbi) -> None:
    ncbi.mirror.fail(faults.status(429, 60), path="dataset_report", times=None)
    assert await ncbi.assemblies.resolve(parse(ASSEMBLY)) == Assembly(parse(ASSEMBLY))
    with pytest.raises(Throttled):
        await ncbi.assemblies.resolve(parse("GCF_000000932"))


async def test_an_assembly_that_nobody_knows_is_refused(ncbi: Ncbi) -> None:
    for accession in ("GCF_000000932.9", "GCF_999999999"):
        with pytest.raises(SourceRefused, match=rf"NCBI has no assembly {accession}. Check the accession."):
            await ncbi.assemblies.resolve(parse(accession))


async def test_where_both_fail_to_resolve_both_are_said(ncbi: Ncbi) -> None:
    ncbi.mirror.fail(faults.status(500), times=None)
    with pytest.raises(SourceUnavailable, match=r"NCBI Datasets answered 500 .* NCBI's tree of genomes answered 500"):
        await ncbi.assemblies.resolve(parse("GCF_000000932"))


async def test_the_file_in_the_tree_has_its_declared_digest(ncbi: Ncbi) -> None:
    files = ncbi.mirror.records.assemblies[ASSEMBLY].files
    for kind, name in (("genbank", "genomic.gbff.gz"), ("fasta", "genomic.fna.gz")):
        remote = await ncbi.assemblies.in_tree(KNOWN, kind)
        assert remote.name == f"{ASSEMBLY}_ASM93v1_{name}"
        assert remote.declared_md5 == md5(files[remote.name])
        assert (await ncbi.fetch(remote)).path.read_bytes() == files[remote.name]


async def test_a_name_that_misleads_is_looked_up_in_the_tree(ncbi: Ncbi) -> None:
    for name in ("ASM93v2 (final)", "something else"):
        before = len(ncbi.mirror.requests)
        remote = await ncbi.assemblies.in_tree(Assembly(parse("GCF_000000932.2"), name), "genbank")
        assert remote.name == "GCF_000000932.2_ASM93v2__final__genomic.gbff.gz"
        assert len(ncbi.mirror.requests) - before == (1 if "final" in name else 3)


async def test_a_file_that_the_tree_does_not_have_is_refused(ncbi: Ncbi) -> None:
    files = ncbi.mirror.records.assemblies[ASSEMBLY].files
    del files[f"{ASSEMBLY}_ASM93v1_genomic.gbff.gz"]
    files["md5checksums.txt"] = b"".join(
        line for line in files["md5checksums.txt"].splitlines(True) if b"gbff" not in line
    )
    with pytest.raises(SourceRefused, match=rf"has no file {ASSEMBLY}_ASM93v1_genomic.gbff.gz"):
        await ncbi.assemblies.in_tree(KNOWN, "genbank")
    with pytest.raises(SourceRefused, match=r"NCBI's tree of genomes does not hold assembly GCF_000000932.7"):
        await ncbi.assemblies.in_tree(Assembly(parse("GCF_000000932.7"), "x"), "genbank")


@pytest.mark.parametrize("sums", ["{upper}  ./{name}", "{md5}  /genomes/all/GCF/x/{name}", "{md5} *{name}"])
async def test_checksums_are_found_however_they_are_written(ncbi: Ncbi, sums: str) -> None:
    files = ncbi.mirror.records.assemblies[ASSEMBLY].files
    name = f"{ASSEMBLY}_ASM93v1_genomic.gbff.gz"
    declared = md5(files[name])
    files["md5checksums.txt"] = sums.format(md5=declared, upper=declared.upper(), name=name).encode() + b"\n"
    assert (await ncbi.assemblies.in_tree(KNOWN, "genbank")).declared_md5 == declared


async def test_a_tree_without_checksums_has_the_file_all_the_same(ncbi: Ncbi) -> None:
    del ncbi.mirror.records.assemblies[ASSEMBLY].files["md5checksums.txt"]
    for assembly in (KNOWN, Assembly(parse(ASSEMBLY))):
        remote = await ncbi.assemblies.in_tree(assembly, "genbank")
        assert (remote.declared_md5, remote.url.rpartition("/")[2]) == (None, f"{ASSEMBLY}_ASM93v1_genomic.gbff.gz")


async def test_a_listing_without_closing_slashes_is_read(ncbi: Ncbi) -> None:
    ncbi.mirror.fail(body(b'<a href="../">up</a> <a href="GCF_000000932.1_ASM93v1">GCF_000000932.1_ASM93v1</a>'))
    remote = await ncbi.assemblies.in_tree(Assembly(parse(ASSEMBLY)), "genbank")
    assert remote.name == f"{ASSEMBLY}_ASM93v1_genomic.gbff.gz"


async def test_a_folder_of_a_name_that_cannot_be_is_not_there(ncbi: Ncbi) -> None:
    for name in ("x" * 300, "ASM\x7f1", "ASM\u2028"):
        ncbi.mirror.fail(body(f'<a href="{ASSEMBLY}_{name}/">'.encode()))
        with pytest.raises(SourceRefused, match="does not hold"):
            await ncbi.assemblies.in_tree(Assembly(parse(ASSEMBLY)), "genbank")


async def test_a_list_of_checksums_that_is_none_says_what_it_is(ncbi: Ncbi) -> None:
    ncbi.mirror.fail(faults.maintenance())
    with pytest.raises(SourceUnavailable, match=r"an HTML page in place of a list of checksums"):
        await ncbi.assemblies.in_tree(KNOWN, "genbank")


async def test_a_package_is_a_zip(ncbi: Ncbi) -> None:
    remote = await ncbi.assemblies.package(KNOWN, "genbank")
    assert (remote.name, remote.member) == (f"{ASSEMBLY}_genomic.gbff", "genomic.gbff")
    assert (await ncbi.fetch(remote)).path.read_bytes().startswith(b"PK")
    ncbi.mirror.fail(faults.maintenance())
    with pytest.raises(SourceUnavailable, match=r"an HTML page in place of a zip archive for assembly"):
        await ncbi.fetch(remote)
    unknown = await ncbi.assemblies.package(Assembly(parse("GCF_999999999.1"), "x"), "fasta")
    with pytest.raises(SourceRefused, match=r"answered 404 .* 'No assembly is found for GCF_999999999.1'"):
        await ncbi.fetch(unknown)


async def test_no_network_is_said_with_the_variables_to_look_at(redis_url: str, tmp_path: Path) -> None:
    settings = GenomesSettings.read({"ARQSVC_EUTILS_URL": "http://127.0.0.1:9/entrez/eutils/"})
    async with (
        open_redis(redis_url) as redis,
        open_http(Settings.read({}, state_dir=tmp_path), redis) as http,
    ):
        remote = await open_eutils(http, settings).record(parse(RECORD), "genbank")
        with pytest.raises(SourceUnavailable, match=r"127.0.0.1:9 cannot be reached: connection refused. Check"):
            await remote.fetch(tmp_path / "partial", unheard)


async def test_what_was_sent_to_a_service_is_hidden_in_what_it_says(ncbi: Ncbi) -> None:
    settings = ncbi.settings(ARQSVC_NCBI_EMAIL="someone@example.org")
    eutils, assemblies = open_eutils(ncbi.http, settings), open_assemblies(ncbi.http, settings)
    said = f"Error: the key {KEY} of someone%40example.org has no rights".encode()
    for ask in (
        ncbi.fetch(await eutils.record(parse(RECORD), "genbank")),
        eutils.summary(parse(RECORD)),
        eutils.current(parse(RECORD)),
        ncbi.fetch(await assemblies.package(KNOWN, "genbank")),
    ):
        ncbi.mirror.fail(body(said))
        with pytest.raises(SourceUnavailable, match=r"the key \(hidden\) of \(hidden\) has") as raised:
            await ask
        assert KEY not in str(vars(raised.value))
