import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arqsvc.bio import accession
from arqsvc.bio.accession import Accession, Kind, parse

NUMBERED = {
    Kind.ASSEMBLY: ["GCF_000005845.2", "GCA_000008865.2", "GCF_900128725"],
    Kind.NUCLEOTIDE: [
        *("U00096.3", "J02482.1", "X12345", "AJ234039.1", "BA000007.3", "MT345279.1", "AB12345678.1"),
        *("AAAA02000001.1", "ABCD01000001", "ABCD01S000001", "GATK01123456", "AAAA0212345678", "AAAAAA020000001.1"),
        *("JAAAAA01S123456789", "NC_000913.3", "NZ_CP001668.1", "NZ_ABCD01000001.1", "NM_000014.6", "NG_007114.1"),
        *("NR_024570.1", "NT_113891.2", "NW_001838827.1", "XM_011541469.1", "XR_946200.2", "AC_000001.1"),
        "NZ_JAAAAA010000001.1",
    ],
    Kind.WGS_SET: ["AAAA00000000", "NZ_ABCD00000000.1", "ARJW01000000", "ABCD01S000000", "AAAAAA000000000.1"],
    Kind.PROTEIN: [
        *("CAA12345.1", "AAO99999", "MBA1234567.1", "NP_056374.2", "YP_009724390.1", "XP_011539771.1"),
        *("WP_000000001.1", "AP_000001.1", "SRX12345.1"),
    ],
    Kind.RUN: ["SRR390728", "ERR1346134", "DRR000001", "SRR1234567", "SRR12345678"],
    Kind.EXPERIMENT: ["SRX000001", "ERX1234567", "DRX000001"],
    Kind.SAMPLE: ["SRS391048", "ERS1234567", "DRS000001"],
    Kind.STUDY: ["SRP000001", "ERP123456", "DRP0000001"],
    Kind.ANALYSIS: ["ERZ1234567", "SRZ000001", "DRZ000001"],
    Kind.SUBMISSION: ["SRA0000001", "ERA123456", "DRA000001"],
    Kind.BIOSAMPLE: ["SAMN01911278", "SAMD00046716", "SAMEA1705940", "SAMEG1", "SAMN1234567890"],
    Kind.PROJECT: ["PRJNA226", "PRJEB18620", "PRJDB1"],
    Kind.GEO: ["GSE12345", "GSM1234567", "GSE1"],
}
EXAMPLES = [(kind, text) for kind, texts in NUMBERED.items() for text in texts]
WRONG = [
    *("", " ", "NC_", "NC_00091", "NC_000913.", "NC_000913.x", "NC_000913.3.1", "NC_000913 3", "NC-000913.3"),
    *("NC000913.33a", "GCF_00000584.2", "GCF_0000058450.2", "GCX_000005845.2", "SRR390728.1", "PRJNA226.1"),
    "GSE12345.1",
    *("ENSG00000139618", "ENST00000380152.8", "P1234", "AB1234567", "562", "Escherichia coli", "../etc/passwd"),
    *("NC_000913.3&db=protein", "NC_000913.3\nNC_000932.1", "NC_\u0660\u0660\u0660913", "\u017fRR390728", "A" * 10_000),
]
LETTERS = st.text("ACDEGMNPRSXZ", min_size=1, max_size=6)
ALIKE = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "", "NC_", "NZ_", "GCF_", "NP_", "SAM", "PRJ", "SR", "GS"]),
    LETTERS | st.just(""),
    st.sampled_from(["", "", "00", "01", "01S", "00S"]),
    st.integers(0, 10**9).map(str) | st.integers(5, 11).map("0".__mul__),
    st.sampled_from(["", ".1", ".02", ".12"]),
)


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_a_text_is_of_the_kind_that_its_form_says(kind: Kind, text: str) -> None:
    base, _, version = text.partition(".")
    assert parse(text) == Accession(text, kind, base, int(version) if version else None)


def test_every_kind_has_examples_and_a_description() -> None:
    assert list(NUMBERED) == list(Kind)
    assert all(re.match("an? ", kind.description) for kind in Kind)
    assert len({kind.description for kind in Kind}) == len(Kind)


@pytest.mark.parametrize("text", WRONG)
def test_another_text_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="one looks like NC_000913") as caught:
        parse(text)
    assert repr(text)[:40] in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_blanks_and_small_letters_do_not_matter(kind: Kind, text: str) -> None:
    assert parse(f"\t {text.lower()} \n") == parse(text)


def test_a_version_is_a_number() -> None:
    assert str(parse("NC_000913.03")) == "NC_000913.3"
    assert parse("NC_000913.3").version == 3
    assert parse("NC_000913").version is None


@given(ALIKE | st.sampled_from([text for _, text in EXAMPLES]) | st.text())
def test_a_text_is_of_one_kind_at_most_and_canonical_once_parsed(text: str) -> None:
    canonical = text.strip().upper()
    kinds = [kind for kind, pattern in accession._PATTERNS if pattern.fullmatch(canonical)]
    assert len(kinds) <= 1
    if kinds and text.isascii():
        parsed = parse(text)
        assert [parsed.kind] == kinds
        assert parse(str(parsed)) == parsed
        assert parse(parsed.base).kind == parsed.kind
    else:
        with pytest.raises(ValueError, match="is not an accession"):
            parse(text)


FILE_COLUMNS = {
    Kind.PROJECT: ("study_accession", "bioproject"),
    Kind.STUDY: ("secondary_study_accession",),
    Kind.BIOSAMPLE: ("sample_accession", "biosample"),
    Kind.SAMPLE: ("secondary_sample_accession",),
    Kind.EXPERIMENT: ("experiment_accession",),
    Kind.RUN: ("run_accession",),
    Kind.SUBMISSION: ("submission_accession",),
    Kind.ASSEMBLY: ("assembly_accession", "gbrs_paired_asm"),
    Kind.WGS_SET: ("wgs_master",),
}


@pytest.mark.shared_data
def test_the_accessions_of_real_tables_are_of_the_kinds_of_their_columns(shared_data: Path) -> None:
    seen: dict[Kind, set[str]] = {kind: set() for kind in FILE_COLUMNS}
    for path in [*shared_data.glob("ncbi/ena/*.tsv"), *shared_data.glob("ncbi/ftp/*.txt")]:
        lines = path.read_text().splitlines()
        header = next(
            (i for i, line in enumerate(lines) if line.lstrip("# ").startswith(("assembly_acc", "run_acc"))), 0
        )
        names = lines[header].lstrip("# ").split("\t")
        for line in lines[header + 1 :]:
            row = dict(zip(names, line.split("\t"), strict=False))
            for kind, columns in FILE_COLUMNS.items():
                seen[kind] |= {row[c] for c in columns if row.get(c, "") not in {"", "na"}}
    assert {kind for kind, texts in seen.items() if texts} >= {Kind.RUN, Kind.ASSEMBLY, Kind.WGS_SET, Kind.BIOSAMPLE}
    assert [(kind, text) for kind, texts in seen.items() for text in texts if parse(text).kind != kind] == []


@pytest.mark.shared_data
def test_the_names_of_the_real_genomes_begin_with_nucleotide_accessions(shared_data: Path) -> None:
    names = [re.match(r"([A-Z]{1,2}_?[A-Z]*\d+\.\d+)_", path.name) for path in shared_data.glob("genomes/*.*")]
    accessions = [match[1] for match in names if match]
    assert len(accessions) == 10
    assert {parse(text).kind for text in accessions} == {Kind.NUCLEOTIDE}


@pytest.mark.shared_data
def test_the_accessions_of_recorded_answers_parse(shared_data: Path) -> None:
    text = "".join(
        path.read_text()
        for path in shared_data.glob("ncbi/*/*.*")
        if path.suffix in {".xml", ".yaml", ".jsonl", ".json"}
    )
    found = set(
        re.findall(
            r"\b(?:GC[AF]_\d{9}\.\d+|[NXYW][CGMPTW]_\d{6,}\.\d|[EDS]R[APRSX]\d{6,}|SAM[A-Z]+\d+|PRJ[A-Z]+\d+)\b", text
        )
    )
    assert len(found) > 20
    assert {parse(text).kind for text in found} >= {
        Kind.ASSEMBLY,
        Kind.NUCLEOTIDE,
        Kind.PROTEIN,
        Kind.RUN,
        Kind.BIOSAMPLE,
    }
