"""NCBI's services, asked through the real client and the fleet's budget; the other side is the mirror."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from arqsvc.bio.accession import parse
from arqsvc.errors import ArqsvcError, CannotStart, SourceRefused, SourceUnavailable, Throttled
from arqsvc.families import load_settings
from arqsvc.families.genomes.ncbi.answers import Asked, plain
from arqsvc.families.genomes.ncbi.assemblies import Assemblies, Assembly, open_assemblies
from arqsvc.families.genomes.ncbi.eutils import Eutils, Summary, open_eutils
from arqsvc.families.genomes.ncbi.service import Remote
from arqsvc.families.genomes.settings import GenomesSettings
from arqsvc.infra.http import Fetched, Http, open_http
from arqsvc.infra.redis import open_redis
from arqsvc.settings import Settings
from tests.mirror import faults
from tests.mirror.mirror import Mirror, running_mirror
from tests.mirror.records import Records, md5

KEY = "0123456789abcdef"
RECORD, ASSEMBLY = "NC_000932.1", "GCF_000000932.1"
KNOWN = Assembly(ASSEMBLY, "ASM93v1", "current", 154478)


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
    assert await eutils.current(parse("nc_000932")) == RECORD
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
    assert await ncbi.eutils.current(parse("NC_000932")) == RECORD
    assert await ncbi.eutils.summary(parse("NC_000932")) == Summary(RECORD, 154478)
    for asked in (ncbi.eutils.current, ncbi.eutils.summary):
        with pytest.raises(SourceRefused, match=r"NCBI has no nucleotide record NC_999999.9"):
            await asked(parse("NC_999999.9"))


REFUSED: list[tuple[faults.Fault, type[ArqsvcError], str]] = [
    (faults.error_body("text"), SourceRefused, "NCBI has no nucleotide record NC_000932.1. Check the accession."),
    (faults.error_body("xml"), SourceUnavailable, "'Unable to obtain query #1'"),
    (faults.maintenance(), SourceUnavailable, "an HTML page in place of a GenBank flat file .* Site maintenance'"),
    (faults.asn1(), SourceRefused, "sent ASN.1 in place of a GenBank flat file for nucleotide record NC_000932.1"),
    (faults.empty(), SourceUnavailable, "sent an empty answer in place of a GenBank flat file"),
    (faults.status(404), SourceRefused, "answered 404 for nucleotide record NC_000932.1: '404 Error'"),
    (faults.status(500), SourceUnavailable, "answered 500"),
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
    assert (old.accession, old.name, old.status, old.length_bp) == (ASSEMBLY, "ASM93v1", "previous", 154478)
    new = await ncbi.assemblies.resolve(parse("GCF_000000932"))
    assert (new.accession, new.status) == ("GCF_000000932.2", "current")


@pytest.mark.parametrize("fault", [faults.status(500), faults.maintenance(), faults.asn1(), faults.empty()])
async def test_an_assembly_is_resolved_by_the_tree_where_datasets_fails(ncbi: Ncbi, fault: faults.Fault) -> None:
    ncbi.mirror.fail(fault, path="dataset_report", times=None)
    assert await ncbi.assemblies.resolve(parse(ASSEMBLY)) == Assembly(ASSEMBLY, "ASM93v1", None, None)
    newest = await ncbi.assemblies.resolve(parse("GCF_000000932"))
    assert newest == Assembly("GCF_000000932.2", "ASM93v2__final_", None, None)


async def test_an_assembly_that_nobody_knows_is_refused(ncbi: Ncbi) -> None:
    for accession in ("GCF_000000932.9", "GCF_999999999"):
        with pytest.raises(SourceRefused, match=rf"NCBI has no assembly {accession}. Check the accession."):
            await ncbi.assemblies.resolve(parse(accession))


async def test_where_both_fail_to_resolve_both_are_said(ncbi: Ncbi) -> None:
    ncbi.mirror.fail(faults.status(500), times=None)
    with pytest.raises(SourceUnavailable, match=r"NCBI Datasets answered 500 .* NCBI's tree of genomes answered 500"):
        await ncbi.assemblies.resolve(parse(ASSEMBLY))


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
        remote = await ncbi.assemblies.in_tree(Assembly("GCF_000000932.2", name, "current", 1), "genbank")
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
        await ncbi.assemblies.in_tree(Assembly("GCF_000000932.7", "x", None, None), "genbank")


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
    unknown = await ncbi.assemblies.package(Assembly("GCF_999999999.1", "x", None, None), "fasta")
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


SAID: list[tuple[str, Any]] = [
    ('{"error":"error forwarding request","api-key":"10.0.0.1","type":"ip","status":"ok"}', SourceUnavailable),
    ("Error: Failed to retrieve sequence: NC_1.1", SourceUnavailable),
    ("ID list is empty! Possibly it has no correct IDs.", SourceRefused),
    ("<ERROR>Empty id list - nothing todo</ERROR>", SourceRefused),
    ("Resource temporarily unavailable", SourceUnavailable),
    ('{"error":"Too many requests"}', Throttled),
    ("Error: something that nobody has met", SourceUnavailable),
    ("{}", SourceRefused),
    ("words that mean nothing", SourceUnavailable),
    ("\0\1\2", SourceUnavailable),
]


@pytest.mark.parametrize(("body", "expected"), SAID)
def test_a_body_means_one_thing(body: str, expected: type[ArqsvcError]) -> None:
    assert type(Asked("NCBI", "record X").unusable(body.encode(), "a GenBank flat file")) is expected


def test_words_of_ncbi_are_readable_and_hide_what_is_secret() -> None:
    spaced = "+Error%3A+F+a+i+l+e+d++t+o++u+n+d+e+r+s+t+a+n+d++i+d+%3A++N+M+_+9+.+9+%0A%0A"
    assert plain(spaced) == "Error: Failed to understand id: NM_9.9"
    assert plain("Error: F a i l e d  t o  u n d e r s t a n d  i d") == "Error: Failed to understand id"
    assert plain("bad: /efetch.fcgi?id=1&api_key=geheim&email=a@b.c") == (
        "bad: /efetch.fcgi?id=1&api_key=(hidden)&email=(hidden)"
    )
    assert plain('{"status":{"x":1},"error":"Not Found","message":"No assembly \\"x\\""}') == 'No assembly \\"x\\"'
    assert plain("a b c d is no spaced text") == "a b c d is no spaced text"
    assert len(plain("x" * 5000)) == 200


def test_the_settings_are_checked_and_hide_what_is_secret() -> None:
    settings = GenomesSettings.read({"ARQSVC_GENOMES_URL": "https://mirror.example.org/genomes/"})
    assert settings.genomes_url == "https://mirror.example.org/genomes"
    assert load_settings({})[GenomesSettings] == GenomesSettings.read({})
    for name, value in (
        ("EUTILS_URL", "ftp://example.org"),
        ("DATASETS_URL", "https://example.org/v2?x=1"),
        ("NCBI_API_KEY", "two words"),
        ("NCBI_EMAIL", "nobody"),
    ):
        with pytest.raises(CannotStart, match=rf"ARQSVC_{name}") as raised:
            load_settings({f"ARQSVC_{name}": value})
        assert (value in raised.value.detail) == name.endswith("URL")
        assert re.search("https?://|ASCII|e-mail", raised.value.detail)
