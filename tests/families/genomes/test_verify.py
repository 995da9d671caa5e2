import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arqsvc
from arqsvc.errors import BadInput
from arqsvc.families.genomes.compute.genbank import read_records
from arqsvc.families.genomes.compute.sniff import sniff, title
from arqsvc.families.genomes.compute.verify import Verified, verify_fasta, verify_genbank
from tests.families.genomes.flatfile import record, written

PACKAGED = Path(arqsvc.__file__).parent / "families" / "genomes" / "data" / "NC_000932.1.gb.gz"

SOUND = record("ATGAAATAA" * 8, ("gene", "1..9", ['locus_tag="a"']))
HEAD, ORIGIN, TAIL = SOUND.partition("ORIGIN")
MANY = SOUND + record("ACGTN" * 30, name="AB2")


def refused(verify: Callable[[Path], Verified], path: Path) -> str:
    """Return the reason for which a file is refused; the message is a part of a sentence, and shows no path."""
    with pytest.raises(BadInput) as refusal:
        verify(path)
    assert str(path) not in refusal.value.detail
    assert not refusal.value.detail.endswith(".")
    return str(refusal.value.facts["reason"])


def reason_of_reading(path: Path) -> str | None:
    try:
        read_records(path)
    except BadInput as error:
        return str(error.facts["reason"])
    return None


def reason_of_verifying(path: Path) -> str | None:
    try:
        verify_genbank(path)
    except BadInput as error:
        return str(error.facts["reason"])
    return None


def test_a_sound_file_is_counted(tmp_path: Path) -> None:
    assert verify_genbank(written(tmp_path, MANY)) == Verified(
        records=2, length_bp=222, accessions=("AB000001.1", "AB2.1"), also=frozenset({"AB000001"})
    )


def test_the_packaged_record_is_sound_packed_and_plain(tmp_path: Path) -> None:
    expected = Verified(1, 154478, ("NC_000932.1",), frozenset({"NC_000932"}))
    assert verify_genbank(PACKAGED) == expected
    assert verify_genbank(written(tmp_path, gzip.decompress(PACKAGED.read_bytes()))) == expected


def test_the_words_of_accession_are_all_kept_and_no_more(tmp_path: Path) -> None:
    text = SOUND.replace(
        "ACCESSION   AB000001\n", "ACCESSION   AB000001 M10379 M10714\n            M10749\nDBLINK      X1\n"
    )
    assert verify_genbank(written(tmp_path, text)).also == {"AB000001", "M10379", "M10714", "M10749"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (" \r\n\n", "empty"),
        (HEAD, "truncated"),
        (HEAD + SOUND, "truncated"),
        (SOUND.removesuffix("//\n"), "truncated"),
        (SOUND + record("ACGT", name="AB2").removesuffix("//\n"), "truncated"),
        (SOUND + "LOC", "truncated"),
        (SOUND + "LOCUS       AB2   4 b", "truncated"),
        ("L", "truncated"),
        (HEAD + "CONTIG      join(AB1.1:1..72)\n//\n", "contig_only"),
        (HEAD + "//\n", "no_sequence"),
        (HEAD + "ORIGIN\n//\n", "no_sequence"),
        (SOUND.replace(" 72 bp", " 72 aa"), "protein"),
        (SOUND.replace(" 72 bp", " 72 rc"), "no_sequence"),
        (record("ACGT", length=5), "length_mismatch"),
        (SOUND.replace("LOCUS       AB000001 72 bp", "LOCUS       AB000001"), "malformed_locus"),
        (SOUND.replace("atga", "at-a", 1), "malformed_sequence"),
        (SOUND.replace("atga", "atea", 1), "malformed_sequence"),
        (SOUND.replace("atga", "at\0a", 1), "binary"),
        (SOUND.replace("Test record", "Test\0record"), "binary"),
        (HEAD + "COMMENT     " + "x" * 100_000 + "\n" + ORIGIN + TAIL, "binary"),
        (SOUND + "and more\n", "trailing_content"),
        (SOUND.replace("ORIGIN", "Error: backend unavailable\nORIGIN"), "malformed_header"),
        (SOUND.replace("FEATURES ", '{"error":"API rate limit exceeded"}\nFEATURES ', 1), "malformed_header"),
        (SOUND.replace("ORIGIN", "<html><body>502</body></html>\nORIGIN"), "malformed_header"),
        (SOUND.replace("LOCUS       AB000001", "LOCUS       " + "A" * 200), "malformed_locus"),
        ("Resource temporarily unavailable\n", "not_genbank"),
        ("<!DOCTYPE html>\n<html><body>404</body></html>\n", "html"),
        ('<?xml version="1.0"?>\n<GBSet/>\n', "xml"),
        ('{"error": "429"}\n', "json"),
        ("Seq-entry ::= set {\n", "asn1"),
        (">AB000001.1\nACGT\n", "fasta"),
        (b"PK\x03\x04rest", "zip"),
        (gzip.compress(SOUND.encode())[:-9], "broken_gzip"),
        (gzip.compress(SOUND.encode()) + b"rubbish", "broken_gzip"),
        (gzip.compress(SOUND.encode())[:40] + b"\0\1" + gzip.compress(SOUND.encode())[42:], "broken_gzip"),
        (gzip.compress(b"<html><title>503</title>"), "html"),
        (b"\x1f\x8b", "broken_gzip"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_with_its_reason(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert refused(verify_genbank, written(tmp_path, text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        SOUND.replace("\n", "\r\n"),
        "\n" + SOUND + "\n\n",
        SOUND.rstrip("\n"),
        SOUND.replace("//", "//  "),
        SOUND.replace("atgaaataa", "AUGAAAUAA"),
        SOUND.replace("ORIGIN", "BASE COUNT 1 a\nWGS_SCAFLD x\n\n  \nORIGIN"),
        gzip.compress(SOUND[:50].encode()) + gzip.compress(SOUND[50:].encode()) + bytes(512),
    ],
)
def test_what_only_looks_odd_is_sound(tmp_path: Path, text: str | bytes) -> None:
    assert verify_genbank(written(tmp_path, text)).length_bp == 72


WHOLE = MANY.encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.integers(0, len(gzip.compress(WHOLE)) - 1))
def test_a_gzip_file_cut_anywhere_is_refused(tmp_path: Path, cut: int) -> None:
    packed = gzip.compress(WHOLE)
    assert refused(verify_genbank, written(tmp_path, packed[:cut])) in ("broken_gzip", "empty", "not_genbank", "binary")


def test_a_record_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    whole = SOUND.encode().rstrip()
    for cut in range(len(whole)):
        assert refused(verify_genbank, written(tmp_path, whole[:cut])) in ("truncated", "empty", "not_genbank")


def test_a_real_record_cut_at_many_places_is_refused(tmp_path: Path) -> None:
    whole = gzip.decompress(PACKAGED.read_bytes()).rstrip()
    for cut in range(0, len(whole), len(whole) // 200):
        assert refused(verify_genbank, written(tmp_path, whole[:cut])) in ("truncated", "empty")


@pytest.mark.shared_data
def test_a_small_real_record_cut_at_any_byte_is_refused(tmp_path: Path, shared_data: Path) -> None:
    whole = (shared_data / "genomes" / "odd" / "D12555_no_cds.gbk").read_bytes().rstrip()
    assert verify_genbank(written(tmp_path, whole)).records == 1
    for cut in range(len(whole)):
        assert refused(verify_genbank, written(tmp_path, whole[:cut])) in ("truncated", "empty", "not_genbank")


DIFFERENT = {
    "malformed_features": "annotation is the analysis's affair",
    "duplicate_record": "names are held against each other by the analysis alone",
    "wrong_compression": "a word of reading for what verifying calls zip, or binary",
    "wrong_encoding": "likewise, binary",
    "gff": "likewise, not_genbank",
    "embl": "likewise, not_genbank",
    "fastq": "likewise, not_genbank",
}
"""Reasons of reading for which verifying has no word of its own, and why."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(st.data())
def test_what_is_sound_reads_and_what_does_not_read_is_not_sound(tmp_path: Path, data: st.DataObject) -> None:
    """Some bytes of two records are replaced, removed or doubled: no more is sound than can be read."""
    begin = data.draw(st.integers(0, len(WHOLE) - 1))
    end = data.draw(st.integers(begin, min(len(WHOLE), begin + 120)))
    put = data.draw(st.sampled_from([b"", b"\n", b"//\n", b"x", b" ", b"ORIGIN\n", WHOLE[begin:end] * 2]))
    path = written(tmp_path, WHOLE[:begin] + put + WHOLE[end:])
    verifying, reading = reason_of_verifying(path), reason_of_reading(path)
    if verifying is None:
        assert reading is None or reading in DIFFERENT
    elif reading is None:  # reading forgives more: a length that runs into the name, say
        assert verifying in (
            *("malformed_locus", "malformed_header", "truncated", "no_sequence", "trailing_content", "length_mismatch"),
        )


@pytest.mark.shared_data
def test_verifying_and_reading_agree_on_real_files(shared_data: Path) -> None:
    found = {}
    for path in sorted((shared_data / "genomes").rglob("*.*")):
        verifying, reading = reason_of_verifying(path), reason_of_reading(path)
        assert verifying == reading, path.name
        found[path.name] = verifying
        if verifying is None:
            records, verified = read_records(path), verify_genbank(path)
            assert (verified.records, verified.length_bp) == (len(records), sum(one.length_bp for one in records))
            assert verified.accessions == tuple(one.accession for one in records)
    assert {name: reason for name, reason in found.items() if reason} == {
        "NP_416719.gbwithparts": "protein",
        "blank_seq.gb": "protein",
        "NT_019265.gb": "contig_only",
        "no_end_marker.gb": "truncated",
    }
    assert len(found) > 15


def test_of_what_comes_in_place_of_a_record_whole_words_are_told(tmp_path: Path) -> None:
    """A part of a key could not be hidden any more."""
    told = "Error: nobody knows who asks for all this with 0123456789abcdef"
    for text in (SOUND.replace("ORIGIN", f"{told}\nORIGIN"), SOUND + told, f"LOCUS {told}\n"):
        with pytest.raises(BadInput, match=r"for all this( with)? \.\.\.") as refusal:
            verify_genbank(written(tmp_path, text))
        assert "0123" not in refusal.value.detail


FASTA = ">AB1.1 one\nACGTN\nacgt\n>AB2.1\n" + "ACGT\n" * 3


def test_fasta_is_counted(tmp_path: Path) -> None:
    for text in (FASTA, FASTA.rstrip(), FASTA.replace("\n", "\r\n"), gzip.compress(FASTA.encode()), FASTA + "\n\n"):
        assert verify_fasta(written(tmp_path, text)) == Verified(2, 21, ("AB1.1", "AB2.1"), frozenset())


def test_a_sequence_on_one_line_is_counted(tmp_path: Path) -> None:
    assert verify_fasta(written(tmp_path, ">a\n" + "ACGT" * 100_000 + "\n>b\nA")).length_bp == 400_001


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (">AB1.1\n", "no_sequence"),
        (">AB1.1\n>AB2.1\nACGT\n", "no_sequence"),
        ("> AB1.1\nACGT\n", "malformed_header"),
        (">\nACGT\n", "malformed_header"),
        (">AB1.1\nAC1T\n", "malformed_sequence"),
        (">AB1.1\nMESRETLS\n", "malformed_sequence"),
        (">AB1.1\nAC\0T\n", "binary"),
        (SOUND, "genbank"),
        ("<html>", "html"),
        ("Error\n", "text"),
        (gzip.compress(FASTA.encode())[:-9], "broken_gzip"),
    ],
)
def test_what_is_no_sound_fasta_is_refused(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert refused(verify_fasta, written(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\n <!DOCTYPE HTML PUBLIC", "html"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<html xmlns="x">', "html"),
        (b'<?xml version="1.0"?><!DOCTYPE eFetchResult>', "xml"),
        (b"Seq-entry ::= set {", "asn1"),
        (b"Seq-entry, then more", "text"),
        (b"PK\x05\x06", "zip"),
        (b"\x00\x01", "binary"),
    ],
)
def test_bytes_are_told_apart(head: bytes, expected: str) -> None:
    assert sniff(head) == expected


def test_the_title_of_a_page_is_found() -> None:
    assert title(b"<html><TITLE>\n NCBI -\n Site maintenance </TITLE>") == "NCBI - Site maintenance"
    assert title(b"<html><title> </title>") is None
    assert title(b"<html>") is None


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Sixty-four times the packaged record, decompressed: 20 MB are verified in less than a tenth of that."""
    import tracemalloc

    text = gzip.decompress(PACKAGED.read_bytes())
    packed = io.BytesIO()
    with gzip.open(packed, "wb", compresslevel=1) as file:
        for _ in range(64):
            file.write(text)
    path = written(tmp_path, packed.getvalue())
    tracemalloc.start()
    try:
        assert verify_genbank(path).records == 64
        assert tracemalloc.get_traced_memory()[1] < 2 * 2**20
    finally:
        tracemalloc.stop()
