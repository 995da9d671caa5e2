import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from arqsvc.errors import BadInput
from arqsvc.families.genomes.compute.genbank import read_records
from tests.families.genomes.flatfile import record, written

SOUND = record("ATGAAATAA" * 8, ("gene", "1..9", ['locus_tag="a"']), ("CDS", "1..9", ['locus_tag="a"']))
HEAD, ORIGIN, TAIL = SOUND.partition("ORIGIN")


def reason(path: Path, **limits: int) -> str:
    """Return the reason for which a file is refused; the message must say what to do next."""
    with pytest.raises(BadInput) as refused:
        read_records(path, **limits)
    assert len(refused.value.detail) > 40
    assert str(path) not in refused.value.detail
    return str(refused.value.facts["reason"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (" \r\n\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (HEAD, "truncated"),
        (SOUND.removesuffix("//\n"), "truncated"),
        (SOUND + record("ACGT", name="AB2").removesuffix("//\n"), "truncated"),
        (HEAD + "CONTIG      join(AB1.1:1..72)\n//\n", "contig_only"),
        (HEAD + "//\n", "no_sequence"),
        (HEAD + "ORIGIN\n//\n", "no_sequence"),
        (SOUND.replace(" 72 bp", " 72 aa"), "protein"),
        (record("ACGT", length=5), "length_mismatch"),
        (SOUND.replace("LOCUS       AB000001 72 bp", "LOCUS       AB000001"), "malformed_locus"),
        (SOUND.replace(" 72 bp", " " + "9" * 5000 + " bp"), "malformed_locus"),
        (SOUND.replace(" 72 bp", " 72 rc"), "no_sequence"),
        (SOUND.lower(), "not_genbank"),
        (SOUND.replace("atga", "at-a", 1), "malformed_sequence"),
        (SOUND.replace('locus_tag="a"', 'locus_tag="a', 1), "malformed_features"),
        (SOUND.replace("     CDS", "  CDS"), "malformed_features"),
        (SOUND + SOUND, "duplicate_record"),
        (SOUND + "and more\n", "trailing_content"),
        ("L", "truncated"),
        ("LOCUS\n", "truncated"),
        (SOUND.replace("Test record", "Test\0record"), "binary"),
        (bytes(range(1, 200)), "binary"),
        (SOUND.encode("utf-16"), "wrong_encoding"),
        ("<!DOCTYPE html>\n<html><body>404</body></html>\n", "html"),
        ("<html>\n", "html"),
        ('<?xml version="1.0"?>\n<GBSet/>\n', "xml"),
        (">AB000001.1\nACGT\n", "fasta"),
        ("##gff-version 3\nAB1\tx\tgene\t1\t9\t.\t+\t.\tID=a\n", "gff"),
        ("AB1\tx\tgene\t1\t9\t.\t+\t.\tID=a\n", "gff"),
        ("ID   AB000001; SV 1; linear; DNA; STD; PRO; 72 BP.\n", "embl"),
        ("@read\nACGT\n+\nIIII\n", "fastq"),
        ("Seq-entry ::= set {\n", "asn1"),
        ('{"error": "429"}\n', "json"),
        ("Resource temporarily unavailable\n", "not_genbank"),
        (b"PK\x03\x04rest", "wrong_compression"),
        (b"BZh91AY", "wrong_compression"),
        (gzip.compress(SOUND.encode())[:-9], "broken_gzip"),
        (gzip.compress(SOUND.encode()) + b"rubbish", "broken_gzip"),
        (gzip.compress(SOUND.encode())[:40] + b"\0\1" + gzip.compress(SOUND.encode())[42:], "broken_gzip"),
        (b"\x1f\x8b", "broken_gzip"),
    ],
)
def test_a_bad_file_is_refused_with_its_reason(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert reason(written(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SOUND.replace('locus_tag="a"', 'note="the 5" end"', 1), '\'/note="the 5" end"\'. Close the value'),
        (SOUND.replace('locus_tag="a"', 'note="the "5" and "3" end"', 1).replace("   CDS", " CDS"), '\'/note="the "5'),
        (SOUND.replace('locus_tag="a"', 'locus_tag="a', 1), "begins at '/locus_tag=\"a'"),
        (SOUND.replace('_tag="a"\nORIGIN', '_tag="a\nORIGIN', 1), "begins at '/locus_tag=\"a'"),
        (SOUND.replace("   CDS", " CDS"), "indented to column 22: 'CDS "),
        (SOUND + "and more\n", "goes on with 'and more'"),
        ("BCT.SEQ  Release\n\n" + SOUND, "Remove the lines before LOCUS"),
        (gzip.compress(SOUND.encode()) + b"rubbish", "something else follows"),
    ],
)
def test_a_refusal_names_what_is_wrong(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_records(written(tmp_path, text))
    assert told in refused.value.detail


@pytest.mark.parametrize("unknown", [".", "unknown", "<unknown id>", ""])
def test_a_record_without_accession_is_called_by_its_locus_or_its_number(tmp_path: Path, unknown: str) -> None:
    texts = [
        record("ACGT", name=name).replace(f"ACCESSION   {name}", f"ACCESSION   {unknown}").replace(f"{name}.1", unknown)
        for name in ("AB1", "AB2", "AB3")
    ]
    nameless = [text.replace("LOCUS       AB", "LOCUS       ").replace(" 4 bp", "") for text in texts[2:]]
    nameless = [text.replace("LOCUS       3", "LOCUS       4 bp") for text in nameless]
    found = read_records(written(tmp_path, *texts[:2], *nameless))
    assert [one.accession for one in found] == ["AB1", "AB2", "record 3"]
    [dotted] = read_records(written(tmp_path, SOUND.replace("AB000001.1", unknown).replace("AB000001", ".")))
    assert dotted.accession == "record 1"


def test_a_version_keeps_its_dots_and_a_definition_loses_its_last(tmp_path: Path) -> None:
    [found] = read_records(written(tmp_path, SOUND.replace("VERSION     AB000001.1", "VERSION     c1_AB000001..")))
    assert (found.accession, found.definition) == ("c1_AB000001..", "Test record")


def test_a_folder_and_nothing_are_refused(tmp_path: Path) -> None:
    assert reason(tmp_path) == "not_a_file"
    assert reason(tmp_path / "absent") == "not_a_file"


def test_annotation_or_sequence_alone_is_told_what_it_lacks(tmp_path: Path) -> None:
    for text, lacking in ((">a\nACGT\n", "no annotation"), ("##gff-version 3\n", "no sequence")):
        with pytest.raises(BadInput, match=lacking):
            read_records(written(tmp_path, text))


def test_a_file_over_the_limit_is_refused_plain_and_packed(tmp_path: Path) -> None:
    assert reason(written(tmp_path, SOUND), limit_bytes=len(SOUND) - 1) == "too_large"
    assert reason(written(tmp_path, gzip.compress(SOUND.encode())), limit_bytes=len(SOUND) - 1) == "too_large"
    assert len(read_records(written(tmp_path, SOUND), limit_bytes=len(SOUND))) == 1


def test_a_bomb_is_left_at_the_limit(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with gzip.open(packed, "wb", compresslevel=9) as bomb:
        for _ in range(64):
            bomb.write(bytes(1024**2))
    assert reason(written(tmp_path, packed.getvalue()), limit_bytes=1024**2) == "too_large"


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + SOUND.encode(),
        SOUND.replace("\n", "\r\n"),
        SOUND.replace("\n", "\r"),
        "\n\n" + SOUND + "\n \n",
        SOUND.rstrip("\n"),
        SOUND.replace("//", "//  "),
        SOUND.replace("atgaaataa", "AUGAAAUAA"),
        gzip.compress(SOUND.encode()),
        gzip.compress(SOUND[:50].encode()) + gzip.compress(b"") + gzip.compress(SOUND[50:].encode()),
        gzip.compress(SOUND.encode()) + bytes(512),
        HEAD + "     \n" + ORIGIN + TAIL,
        HEAD.replace("     CDS", "     \n     CDS") + ORIGIN + TAIL,
        SOUND.replace("AB000001 72 bp", "AB00000172 bp").replace("ACCESSION   AB000001\nVERSION     AB000001.1\n", ""),
    ],
)
def test_what_only_looks_odd_reads_the_same(tmp_path: Path, text: str | bytes) -> None:
    [expected] = read_records(written(tmp_path, SOUND))
    [found] = read_records(written(tmp_path, text))
    assert found.accession.removesuffix(".1") == "AB000001"
    assert (found.nucleotides == expected.nucleotides).all()
    assert (found.features.kind, found.features.locus_tag) == (expected.features.kind, expected.features.locus_tag)


MANY = "".join(record("ATGAAATAA" * 9, ("CDS", "1..9", ['product="a ""b"" c"'])) for _ in range(1)) + record(
    "ACGTN" * 30, name="AB2", topology="circular"
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.integers(0, len(MANY) - 1), st.booleans())
@example(len(MANY) - 1, False)
@example(MANY.index("LOCUS       AB2"), False)
def test_a_file_cut_anywhere_is_refused_or_lost_only_whole_records(tmp_path: Path, cut: int, packed: bool) -> None:
    if packed:
        whole = gzip.compress(MANY.encode())
        assert reason(written(tmp_path, whole[: cut % len(whole)])) in ("broken_gzip", "empty", "not_genbank", "binary")
        return
    path = written(tmp_path, MANY[:cut])
    try:
        records = read_records(path)
    except BadInput as refused:
        assert refused.facts["reason"] in ("truncated", "empty", "not_genbank")  # noqa: PT017
    else:
        assert MANY[:cut].rstrip().endswith("//")
        assert len(records) == MANY[:cut].count("LOCUS")


@pytest.mark.shared_data
def test_a_real_chromosome_cut_at_many_places_is_refused(tmp_path: Path, shared_data: Path) -> None:
    text = (shared_data / "genomes" / "NC_005816.1_yersinia_pestis_plasmid_ppcp1.gb").read_bytes().rstrip()
    for cut in np.linspace(0, len(text) - 1, 400).astype(int).tolist():
        assert reason(written(tmp_path, text[:cut])) in ("truncated", "empty", "not_genbank")


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NP_416719.gbwithparts", "protein"),
        ("blank_seq.gb", "protein"),
        ("NT_019265.gb", "contig_only"),
        ("no_end_marker.gb", "truncated"),
    ],
)
def test_the_odd_files_that_cannot_be_analysed_say_why(shared_data: Path, name: str, expected: str) -> None:
    assert reason(shared_data / "genomes" / "odd" / name) == expected
