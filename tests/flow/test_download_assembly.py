"""What a user sees of the download of an assembly: two sources, checksums, packages; the other side is the mirror."""

import re

from arqsvc.families.genomes.models import DownloadRecord
from tests.flow.site import ASSEMBLY, LENGTH_BP, RECORD, Site
from tests.mirror import faults
from tests.mirror.faults import Fault
from tests.mirror.records import md5


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
    assert (await site.ended(ASSEMBLY))["error"]["kept"] == error["kept"]  # once, however often it is asked for
    assert [kept.name for kept in (site.storage / "aside").iterdir()] == [error["kept"]]
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
