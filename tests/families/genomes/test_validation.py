from pathlib import Path

import pytest

from arqsvc.families.genomes.compute.analyze import measure
from arqsvc.families.genomes.compute.measurements import Finding
from tests.families.genomes.flatfile import Feature, record, written

ORF = "ATGAAAGGGTAA"
SPACER = "TTTTTCCCCC"


def findings(tmp_path: Path, sequence: str, *features: Feature, topology: str = "linear") -> tuple[Finding, ...]:
    return measure(written(tmp_path, record(sequence, *features, topology=topology))).findings


def of_cds(tmp_path: Path, sequence: str, *qualifiers: str, location: str | None = None) -> list[tuple[str, str]]:
    """Return level and short code of the findings on one CDS over the whole sequence, or a location."""
    feature = ("CDS", location or f"1..{len(sequence)}", ['locus_tag="a"', *qualifiers])
    found = findings(tmp_path, sequence + SPACER, feature)
    assert all((one.name, one.feature, one.record) == ("a", "CDS", "AB000001.1") for one in found)
    return [(one.level, one.code.removeprefix("SEQ_FEAT.")) for one in found]


def test_a_sound_cds_has_no_finding(tmp_path: Path) -> None:
    assert of_cds(tmp_path, ORF, 'translation="MKG"') == []
    assert of_cds(tmp_path, "GTGAAAGGGTAA", "transl_table=11", 'translation="MKG"') == []


@pytest.mark.parametrize(
    ("sequence", "qualifiers", "expected"),
    [
        ("ATGTAAGGGTAA", (), ("error", "InternalStop")),
        ("ATGAAAGGG", (), ("error", "NoStop")),
        ("ATGAAAGGGTA", (), ("warning", "NoStop")),
        ("ATGAAAGGGCC", (), ("error", "NoStop")),
        ("CCCAAAGGGTAA", (), ("error", "StartCodon")),
        (ORF, ('translation="MKV"',), ("error", "MisMatchAA")),
        (ORF, ('translation="MKGG"',), ("error", "TransLen")),
        (ORF, ("transl_table=7",), ("error", "GenCodeInvalid")),
        ("C" + ORF, ("codon_start=2",), ("warning", "PartialProblem")),
        ("AT", (), ("error", "TransLen")),
    ],
)
def test_a_fault_has_its_name(
    tmp_path: Path, sequence: str, qualifiers: tuple[str, ...], expected: tuple[str, str]
) -> None:
    assert of_cds(tmp_path, sequence, *qualifiers) == [expected]


@pytest.mark.parametrize(
    ("sequence", "qualifiers", "expected"),
    [
        ("ATGTGAGGGTAA", ("transl_except=(pos:4..6,aa:Sec)", 'translation="MUG"'), ("notice", "InternalStop")),
        ("ATGTAGGGGTAA", ("transl_except=(pos:4..6,aa:Pyl)", 'translation="MOG"'), ("notice", "InternalStop")),
        ("ATGAAAGGGT", ("transl_except=(pos:10,aa:TERM)", 'translation="MKG"'), ("notice", "NoStop")),
        ("ATGAAAGGGTA", ("transl_except=(pos:10..11,aa:TERM)", 'translation="MKG"'), ("notice", "NoStop")),
        ("ACGAAAGGGTAA", ('exception="RNA editing"', 'translation="MKG"'), ("notice", "StartCodon")),
        ("ATTAAAGGGTAA", ("transl_except=(pos:1..3,aa:Met)", 'translation="MKG"'), ("notice", "StartCodon")),
        (ORF, ('exception="RNA editing"', 'translation="MSG"'), ("notice", "MisMatchAA")),
    ],
)
def test_biology_that_the_annotation_explains_is_a_notice(
    tmp_path: Path, sequence: str, qualifiers: tuple[str, ...], expected: tuple[str, str]
) -> None:
    assert of_cds(tmp_path, sequence, *qualifiers) == [expected]


@pytest.mark.parametrize(
    "qualifier",
    [
        "codon_start=0",
        "codon_start=x",
        "transl_table=0",
        "transl_table=-1",
        "transl_table=11111",
        "transl_except=(aa:Sec)",
        "transl_except=(pos:x,aa:Sec)",
    ],
)
def test_a_value_that_cannot_be_is_a_warning_and_changes_nothing(tmp_path: Path, qualifier: str) -> None:
    assert of_cds(tmp_path, ORF, qualifier, 'translation="MKG"') == [("warning", "InvalidQualifierValue")]


def test_a_selenocysteine_on_the_reverse_strand_is_found_in_its_codon(tmp_path: Path) -> None:
    qualifiers = ("transl_except=(pos:complement(7..9),aa:Sec)", 'translation="MUG"')
    assert of_cds(tmp_path, "TTACCCTCACAT", *qualifiers, location="complement(1..12)") == [("notice", "InternalStop")]


def test_a_stop_that_translation_calls_selenocysteine_lacks_its_exception(tmp_path: Path) -> None:
    feature = ("CDS", "1..12", ['translation="MUG"'])
    [stop, mismatch] = findings(tmp_path, "ATGTGAGGGTAA", feature)
    assert "/transl_except is missing" in stop.message
    assert mismatch.code == "SEQ_FEAT.MisMatchAA"


@pytest.mark.parametrize("number", [2, 4, 5, 25])
def test_tga_is_an_amino_acid_where_the_code_says_so(tmp_path: Path, number: int) -> None:
    assert of_cds(tmp_path, "ATGTGAGGGTAA", f"transl_table={number}") == []


def test_a_translation_that_begins_with_the_plain_codon_is_told_that_a_start_is_met(tmp_path: Path) -> None:
    [found] = findings(tmp_path, "GTGAAAGGGTAA", ("CDS", "1..12", ["transl_table=11", 'translation="VKG"']))
    assert (found.code, "read as Met" in found.message) == ("SEQ_FEAT.MisMatchAA", True)


def test_the_advice_on_tga_is_to_look_at_the_code(tmp_path: Path) -> None:
    [found] = findings(tmp_path, "ATGTGAGGGTAA", ("CDS", "1..12"))
    assert "genetic code" in found.message
    assert "codon 2 (TGA, 4..6)" in found.message


@pytest.mark.parametrize("qualifier", ["pseudo", 'pseudogene="unprocessed"'])
def test_a_pseudo_cds_is_not_held_to_its_frame(tmp_path: Path, qualifier: str) -> None:
    assert of_cds(tmp_path, "CCCTAAGGGCC", qualifier) == []


@pytest.mark.parametrize(
    ("location", "qualifiers"),
    [("<1..10", ("codon_start=2",)), ("<1..12", ()), ("1..>12", ()), ("complement(<1..>11)", ("codon_start=3",))],
)
def test_a_partial_cds_is_not_held_to_what_it_lacks(tmp_path: Path, location: str, qualifiers: tuple[str, ...]) -> None:
    sequence = {"<1..10": "CAAAGGGTAA", "<1..12": "AAAGGGCCCTAA"}.get(location, "ATGAAAGGGCCC")
    assert of_cds(tmp_path, sequence, *qualifiers, location=location) == []


def test_a_partial_end_with_a_stop_is_looked_at(tmp_path: Path) -> None:
    assert of_cds(tmp_path, ORF, location="1..>12") == [("warning", "PartialProblem")]


def test_ambiguous_bases_are_no_mismatch(tmp_path: Path) -> None:
    assert of_cds(tmp_path, "ATGRRRGGGTAA", 'translation="MXG"') == []
    assert of_cds(tmp_path, "ATGAAYGGGTAA", 'translation="MNG"') == []


def test_a_short_gap_is_slippage_only_where_annotated(tmp_path: Path) -> None:
    sequence, location = "ATGAAATGGGTAA", "join(1..6,8..13)"
    assert of_cds(tmp_path, sequence, location=location) == [("warning", "ShortIntron")]
    assert of_cds(tmp_path, sequence, "ribosomal_slippage", location=location) == [("notice", "ShortIntron")]


def test_a_gene_over_the_origin_of_a_circle_has_no_intron(tmp_path: Path) -> None:
    assert findings(tmp_path, "GGGTAA" + SPACER + "ATGAAA", ("CDS", "join(17..22,1..6)"), topology="circular") == ()


def test_both_strands_need_trans_splicing(tmp_path: Path) -> None:
    sequence, location = "TTTCAT" + SPACER + "GGGTAA", "join(complement(1..6),17..22)"
    assert of_cds(tmp_path, sequence, location=location) == [("warning", "MixedStrand")]
    assert of_cds(tmp_path, sequence, "trans_splicing", location=location) == [("notice", "MixedStrand")]


def test_locations_that_cannot_be_are_errors_and_remote_ones_are_not(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        ORF,
        ("gene", "5..99"),
        ("gene", "9..5"),
        ("gene", "1.." + "9" * 30),
        ("gene", "nowhere"),
        ("gene", "J00194.1:1..9"),
    )
    assert [(one.level, one.code) for one in found] == [("error", "SEQ_FEAT.Range")] * 4 + [
        ("notice", "SEQ_FEAT.FarLocation")
    ]


def test_a_product_lies_in_its_gene(tmp_path: Path) -> None:
    tag = ['locus_tag="a"']
    assert findings(tmp_path, ORF + SPACER, ("gene", "1..20", tag), ("CDS", "1..12", tag)) == ()
    [outside] = findings(tmp_path, ORF + SPACER, ("gene", "1..9", tag), ("CDS", "1..12", tag))
    assert (outside.level, outside.code) == ("warning", "SEQ_FEAT.CDSgeneRange")
    [turned] = findings(tmp_path, ORF + SPACER, ("gene", "complement(1..12)", tag), ("CDS", "1..12", tag))
    assert turned.code == "SEQ_FEAT.CDSgeneRange"


def test_a_locus_tag_belongs_to_one_gene_of_the_file(tmp_path: Path) -> None:
    tag = ['locus_tag="a"']
    first, second = record(ORF, ("gene", "1..12", tag)), record(ORF, ("gene", "1..12", tag), name="AB2")
    [found] = measure(written(tmp_path, first, second)).findings
    assert (found.code, found.record, found.name) == ("SEQ_FEAT.CollidingLocusTags", "AB2.1", "a")
    split = [*tag, "trans_splicing"]
    assert findings(tmp_path, ORF, ("gene", "1..3", split), ("gene", "7..9", split)) == ()


def test_mixed_genetic_codes_name_the_few(tmp_path: Path) -> None:
    features = [
        ("CDS", "1..12", ["transl_table=11"]),
        ("CDS", "1..12", ["transl_table=11"]),
        ("CDS", "1..12", ["transl_table=4"]),
    ]
    [found] = findings(tmp_path, ORF, *features)
    assert (found.level, found.code) == ("warning", "SEQ_FEAT.GenCodeMismatch")


def test_reading_by_another_code_than_annotated_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, record(ORF, ("CDS", "1..12", ["transl_table=11"])))
    [found] = measure(path, genetic_code=4).findings
    assert (found.level, found.code) == ("notice", "SEQ_FEAT.GenCodeMismatch")


def test_unknown_sequence_is_reported_unless_it_is_a_gap(tmp_path: Path) -> None:
    sequence = "ACGT" * 600 + "N" * 100 + "ACGT" * 20
    [found] = findings(tmp_path, sequence)
    assert (found.code, found.level) == ("SEQ_INST.InternalNsInSeqRaw", "warning")
    assert "2401..2500" in found.message
    assert findings(tmp_path, sequence, ("assembly_gap", "2401..2500")) == ()
    codes = {one.code for one in findings(tmp_path, "N" * 20 + "ACGT" * 20, ("gene", "11..60"))}
    assert codes == {"SEQ_INST.TerminalNs", "SEQ_INST.HighNContentPercent", "SEQ_FEAT.FeatureBeginsOrEndsInGap"}


def test_errors_stand_before_warnings_before_notices(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        "ATGAAATGGGTAA" + "ATGAAACCC",
        ("CDS", "join(1..6,8..13)", ["ribosomal_slippage"]),
        ("CDS", "join(1..6,8..13)"),
        ("CDS", "14..22"),
    )
    assert [one.level for one in found] == ["error", "warning", "notice"]
