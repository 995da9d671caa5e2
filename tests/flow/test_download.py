"""What a user sees of the download of a record, for each way that NCBI has to go wrong; the other side is a mirror."""

import re

from arqsvc.families.genomes.models import DownloadRecord
from arqsvc.infra.storage import Storage
from tests.flow.site import KEY, LENGTH_BP, RECORD, Site
from tests.flow.test_events import by_sse, steps
from tests.mirror import faults
from tests.mirror.faults import Fault
from tests.mirror.records import md5


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
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["unavailable", "failed", "succeeded"]


async def test_an_outage_uses_up_no_try_until_it_has_lasted_an_hour(site: Site) -> None:
    site.mirror.fail(faults.status(500), times=6)
    job = await site.ended(RECORD)
    outcomes = [attempt["outcome"] for attempt in job["attempts"]]
    assert (job["state"], outcomes) == ("succeeded", ["unavailable"] * 6 + ["succeeded"])
    site.mirror.fail(faults.status(500), times=None)  # for ever
    asked = len(site.mirror.requests)
    job = await site.ended("NC_000932", "fasta", hours_pass=True)
    assert (job["state"], job["reason"]) == ("failed", "source_unavailable")
    outcomes = [attempt["outcome"] for attempt in job["attempts"]]
    assert outcomes == ["unavailable", *["failed"] * 4]
    assert len(site.mirror.requests) == asked + 5


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
