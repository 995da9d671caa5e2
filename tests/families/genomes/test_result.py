import csv
import json
from pathlib import Path
from typing import Any

import pytest

from arqsvc.bio.genetic_code import CODONS
from arqsvc.families.genomes.compute.analyze import measure
from arqsvc.families.genomes.compute.result import result_document, write_result
from arqsvc.families.genomes.compute.tables import write_codons, write_genes, write_validation
from tests.families.genomes.flatfile import record, written

FIRST = record(
    "ATGAAATAA" + "TTATTTCAT" + "CCATGT",
    ("gene", "1..9", ['locus_tag="a"']),
    ("CDS", "1..9", ['locus_tag="a"', 'product="x	y"']),
    ("CDS", "complement(<10..18)", ['locus_tag="b"', "pseudo"]),
    ("CDS", "join(21..24,1..2)", ['locus_tag="c"']),
    topology="circular",
)
SECOND = record("ATGNNNTAA", ("CDS", "1..9", ['locus_tag="d"']), name="AB2")


def document(tmp_path: Path, *records: str) -> dict[str, Any]:
    return result_document(measure(written(tmp_path, *records)))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as table:
        return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_one_record_is_at_the_top_and_in_records(tmp_path: Path) -> None:
    result = document(tmp_path, FIRST)
    assert result["schema"] == "arqsvc.genomes.analysis/1"
    assert result["record"]["accession"] == "AB000001.1"
    assert (result["record"]["topology"], result["record"]["length_bp"]) == ("circular", 24)
    assert (result["record"]["genetic_code"], result["codons"]["cds_used"]) == (1, 2)
    assert result["genes"]["cds"] == 3
    [only] = result["records"]
    assert only["record"] == result["record"]
    assert only["codons"].items() <= result["codons"].items()
    assert (only["genes"], only["statistics"]) == (result["genes"], result["statistics"])


def test_every_codon_and_dinucleotide_is_there_with_zeros_kept(tmp_path: Path) -> None:
    result = document(tmp_path, FIRST)
    assert set(result["codons"]["counts"]) == set(result["codons"]["rscu"]) == set(CODONS)
    assert sum(result["codons"]["counts"].values()) == result["codons"]["codons_total"] == 5
    assert result["codons"]["counts"]["GGG"] == 0
    assert len(result["statistics"]["dinucleotide_odds"]) == 16


def test_several_records_are_pooled_and_kept(tmp_path: Path) -> None:
    result = document(tmp_path, FIRST, SECOND)
    assert (result["record"]["accession"], result["record"]["records"]) == (None, 2)
    assert result["record"]["length_bp"] == 33
    assert [row["record"]["accession"] for row in result["records"]] == ["AB000001.1", "AB2.1"]
    assert result["genes"]["cds"] == sum(row["genes"]["cds"] for row in result["records"]) == 4
    assert result["codons"]["cds_left_out"]["ambiguous_bases"] == 1
    assert result["statistics"]["origin_bp"] is None


def test_the_same_input_gives_the_same_bytes_without_nan(tmp_path: Path) -> None:
    path = written(tmp_path, FIRST, SECOND)
    for name in ("one.json", "two.json"):
        write_result(measure(path), tmp_path / name)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = (tmp_path / "one.json").read_text()
    assert json.loads(text, parse_constant=refuse)["validation"] == document(tmp_path, FIRST, SECOND)["validation"]
    assert str(tmp_path) not in text


def test_findings_are_counted_and_listed(tmp_path: Path) -> None:
    result = document(tmp_path, record("ATGTAAGGGTAA", ("CDS", "1..12", ['locus_tag="a"'])))
    assert [result["validation"][level] for level in ("errors", "warnings", "notices")] == [1, 0, 0]
    assert result["validation"]["findings"][0]["code"] == "SEQ_FEAT.InternalStop"


def test_the_codon_table_has_a_row_a_cds_used(tmp_path: Path) -> None:
    write_codons(measure(written(tmp_path, FIRST)), tmp_path / "codons.tsv")
    first, second = rows(tmp_path / "codons.tsv")
    assert (first["locus_tag"], first["product"], first["strand"], first["codons"]) == ("a", "x y", "+", "3")
    assert (first["ATG"], first["AAA"], first["TAA"], first["GGG"], first["nc"]) == ("1", "1", "1", "0", "")
    assert float(first["gc3s"]) == 0
    assert second["locus_tag"] == "c"


def test_the_gene_table_has_a_row_a_feature_in_genbanks_coordinates(tmp_path: Path) -> None:
    write_genes(measure(written(tmp_path, FIRST)), tmp_path / "genes.tsv")
    table = rows(tmp_path / "genes.tsv")
    assert [row["type"] for row in table] == ["gene", "CDS", "CDS", "CDS"]
    reverse, crossing = table[2], table[3]
    assert (reverse["start_1based"], reverse["end_1based_inclusive"], reverse["strand"]) == ("10", "18", "-")
    assert (reverse["pseudo"], reverse["partial"], reverse["location"]) == ("yes", "3'", "complement(<10..18)")
    assert (crossing["start_1based"], crossing["end_1based_inclusive"]) == ("21", "2")


def test_the_validation_table_has_a_row_a_finding(tmp_path: Path) -> None:
    measurements = measure(written(tmp_path, FIRST, SECOND))
    write_validation(measurements, tmp_path / "validation.tsv")
    table = rows(tmp_path / "validation.tsv")
    assert [row["message"] for row in table] == [finding.message for finding in measurements.findings]


def test_the_steps_are_reported_on_entering_them(tmp_path: Path) -> None:
    steps: list[tuple[str, float]] = []
    measure(written(tmp_path, FIRST), report=lambda step, fraction: steps.append((step, fraction)))
    assert steps == [
        ("codon analysis", 0.10),
        ("gene analysis", 0.35),
        ("genome statistics", 0.60),
        ("validation", 0.80),
    ]


@pytest.mark.shared_data
def test_a_draft_of_many_contigs_is_one_result(tmp_path: Path, shared_data: Path) -> None:
    text = (shared_data / "genomes" / "NC_005816.1_yersinia_pestis_plasmid_ppcp1.gb").read_text()
    contigs = [text.replace("NC_005816", f"NC_{number:06d}").replace("YP_pPCP", f"T{number}_") for number in range(30)]
    one, many = measure(written(tmp_path, text)), measure(written(tmp_path, *contigs))
    assert (many.codons.counts == 30 * one.codons.counts).all()
    assert many.genes.cds == 30 * one.genes.cds
    assert many.statistics.length_bp == 30 * one.statistics.length_bp
    assert [record.codons.nc for record in many.records] == [one.codons.nc] * 30
    assert many.count("error") == 0
