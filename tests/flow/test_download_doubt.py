"""What a user gets where NCBI contradicts itself, or lacks a part of what it should have: the right file, or none."""

import gzip
import re

import pytest

from arqsvc.families.genomes.models import DownloadRecord
from arqsvc.infra.storage import Storage
from tests.flow.site import ASSEMBLY, KEY, LENGTH_BP, RECORD, Site
from tests.mirror import faults
from tests.mirror.bodies import body

NEXT = "NC_000932.2"


def next_version(site: Site) -> bytes:
    """Return the text of the record's next version."""
    return site.mirror.records.records[RECORD].text.replace(b"NC_000932.1", NEXT.encode())


@pytest.mark.parametrize("format", ["genbank", "fasta"])
async def test_one_version_is_never_taken_for_another(site: Site, format: str) -> None:  # noqa: A002
    """E-utilities know of the next version already, and still send the one before to who asks for none."""
    await site.downloaded(RECORD, format)
    site.mirror.records.add(NEXT, next_version(site))
    site.mirror.fail(faults.other_record(RECORD), path="rettype=gbwithparts")
    site.mirror.fail(faults.other_record(RECORD), path="rettype=fasta")
    job = await site.ended("NC_000932", format)
    assert (job["state"], job["reason"]) == ("failed", "source_refused")
    assert "was asked for NC_000932.2 and sent NC_000932.1" in job["error"]["detail"]
    site.mirror.mend()
    result = await site.downloaded("NC_000932", format)
    assert (result["accession"], site.mirror.requests[-1].query["id"]) == (NEXT, NEXT)
    assert NEXT.encode() in site.content(result)[:2000]
    site.nothing_is_left()


async def test_a_record_is_reached_by_an_accession_that_it_had(site: Site) -> None:
    text = site.mirror.records.records[RECORD].text
    site.mirror.records.add("X00932.1", text.replace(b"ACCESSION   NC_000932", b"ACCESSION   NC_000932 X00932", 1))
    result = await site.downloaded("X00932")
    assert (result["requested"], result["accession"]) == ("X00932", RECORD)
    summary = b'{"result":{"uids":["1"],"1":{"accessionversion":"NC_000932.1","slen":%d}}}' % LENGTH_BP
    site.mirror.fail(body(summary), path="esummary")
    result = await site.downloaded("X00932", "fasta")
    assert (result["accession"], result["name"]) == (RECORD, "NC_000932.1.fasta")


async def test_a_version_that_is_none_is_not_taken_for_one(site: Site) -> None:
    text = site.mirror.records.records[RECORD].text
    for version in (b"NC_000932.<img>", b"NC_000932", b"/../../x.1", b"NC_" + b"1" * 300 + b".1"):
        changed = re.sub(rb"(?m)^VERSION .*$", b"VERSION     " + version, text)
        told = await site.first_outcome(RECORD, "genbank", efetch=body(changed))
        assert (told["state"], told["reason"]) == ("scheduled", "source_unavailable"), told
        assert re.search(
            r"sent nucleotide record NC_000932.1 with VERSION '.*', which is none", told["error"]["detail"]
        )
        site.nothing_is_left()
    assert not await DownloadRecord.exists()


async def test_content_that_was_damaged_is_fetched_anew(site: Site) -> None:
    result = await site.downloaded(RECORD)
    sound = site.content(result)
    Storage(site.storage).path(result["sha256"]).write_bytes(sound.replace(b"ORIGIN", b"ORIGEN"))
    again = await site.downloaded(RECORD)
    assert (again["transferred_bytes"], site.content(again) == sound) == (len(sound), True)
    assert (await site.downloaded(RECORD))["reused"]


async def test_a_record_is_had_without_the_services_that_tell_of_it(site: Site) -> None:
    result = await site.downloaded(RECORD)
    text = site.content(result)
    for fault in (faults.status(400), faults.status(500), body(text)):  # the last gives the record to whatever is asked
        site.mirror.fail(fault, path="rettype=acc")
        result = await site.downloaded("NC_000932")
        assert (result["accession"], result["transferred_bytes"]) == (RECORD, len(text)), fault.name
    site.mirror.fail(faults.status(404), path="esummary", times=None)
    result = await site.downloaded("NC_000932", "fasta")
    assert (result["accession"], result["length_bp"]) == (RECORD, LENGTH_BP)
    assert site.content(result).startswith(b">NC_000932.1 ")


async def test_an_assembly_is_had_without_the_services_that_tell_of_it(site: Site) -> None:
    genomes = site.mirror.records.assemblies
    name = f"{ASSEMBLY}_ASM93v1_genomic.gbff.gz"
    content = genomes[ASSEMBLY].files[name]
    site.mirror.fail(faults.status(404), path="dataset_report", times=None)
    site.mirror.fail(faults.status(404), path="/genomes/", times=None)
    result = await site.downloaded(ASSEMBLY)  # by its package alone
    assert (result["accession"], result["source"], result["length_bp"]) == (ASSEMBLY, "NCBI Datasets", LENGTH_BP)

    site.mirror.mend()
    await DownloadRecord.all().delete()
    site.mirror.fail(faults.status(429, 3600), path="/datasets/", times=None)
    result = await site.downloaded(ASSEMBLY)  # by the tree alone
    assert (result["source"], result["declared_md5"]) == ("NCBI's tree of genomes", result["md5"])

    await DownloadRecord.all().delete()
    del genomes[ASSEMBLY].files["md5checksums.txt"]
    result = await site.downloaded(ASSEMBLY)  # which may have no checksums
    assert (result["source"], result["declared_md5"]) == ("NCBI's tree of genomes", None)
    assert site.content(result) == content
    site.nothing_is_left()


async def test_a_file_without_a_checksum_is_held_against_the_length_of_the_assembly(site: Site) -> None:
    files = site.mirror.records.assemblies[ASSEMBLY].files
    name = f"{ASSEMBLY}_ASM93v1_genomic.fna.gz"
    files[name] = gzip.compress(gzip.decompress(files[name])[:100_000])
    del files["md5checksums.txt"]
    result = await site.downloaded(ASSEMBLY, "fasta")
    assert (result["source"], result["length_bp"]) == ("NCBI Datasets", LENGTH_BP)
    site.nothing_is_left()


async def test_what_was_sent_along_is_not_told_where_a_record_repeats_it(site: Site) -> None:
    text = site.mirror.records.records[RECORD].text
    for changed, said in (
        (
            text.replace(b"\nORIGIN", f"\nError: {KEY} is no key\nORIGIN".encode()),
            "goes on with 'Error: (hidden) is no key'",
        ),
        (text.replace(b"VERSION     NC_000932.1", f"VERSION     {KEY}".encode()), "VERSION '(hidden)', which is none"),
    ):
        told = await site.first_outcome(RECORD, "genbank", efetch=body(changed))
        assert (told["state"], told["reason"]) == ("scheduled", "source_unavailable"), told
        assert said in told["error"]["detail"]
        assert KEY not in str(told)
