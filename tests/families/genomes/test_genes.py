import tracemalloc
from pathlib import Path

import pytest

from arqsvc.families.genomes.compute.analyze import measure
from arqsvc.families.genomes.compute.genbank import read_records
from arqsvc.families.genomes.compute.genes import measure_genes
from arqsvc.families.genomes.compute.measurements import GeneFacts
from tests.families.genomes.flatfile import Feature, record, written

SEQUENCE = "ACGTTGCATC" * 100


def facts(tmp_path: Path, *features: Feature, topology: str = "linear") -> GeneFacts:
    return measure(written(tmp_path, record(SEQUENCE, *features, topology=topology))).genes


def cds(location: str, *qualifiers: str) -> Feature:
    return ("CDS", location, qualifiers)


def test_features_are_counted_by_type_and_strand_pseudo_included(tmp_path: Path) -> None:
    genes = facts(
        tmp_path,
        ("gene", "1..90", ["pseudo"]),
        cds("1..90", "pseudo"),
        cds("complement(100..189)"),
        ("tRNA", "200..270"),
        cds("join(complement(300..310),320..330)", "trans_splicing"),
    )
    assert genes.by_kind["CDS"] == {"total": 3, "forward": 1, "reverse": 1, "both": 1}
    assert (genes.genes, genes.cds, genes.trna, genes.pseudo, genes.pseudo_genes) == (1, 3, 1, 1, 1)
    assert genes.pseudo_share == pytest.approx(1 / 3)


def test_coding_density_is_a_union_without_introns(tmp_path: Path) -> None:
    genes = facts(tmp_path, cds("1..100"), cds("51..150"), cds("join(201..210,291..300)"), cds("401..500", "pseudo"))
    assert genes.coding_bp == 150 + 20 + 100
    assert (genes.coding_density, genes.coding_density_intact) == (0.27, 0.17)
    assert genes.cds_length_bp.tolist() == [100, 100, 20, 100]


def test_a_gene_that_runs_backwards_has_no_length_and_covers_nothing(tmp_path: Path) -> None:
    genes = facts(tmp_path, cds("complement(900..300)"), cds("600..630"), cds("981..1030"))
    assert (genes.coding_bp, genes.coding_density) == (31 + 20, 0.051)
    assert genes.cds_length_bp.tolist() == [31, 20]
    assert genes.by_kind["CDS"] == {"total": 3, "forward": 2, "reverse": 1, "both": 0}


def test_overlaps_are_pairs_of_loci_and_not_of_products(tmp_path: Path) -> None:
    genes = facts(
        tmp_path,
        cds("1..100", 'locus_tag="a"'),
        cds("1..60", 'locus_tag="a"'),
        cds("97..200", 'locus_tag="b"'),
        cds("complement(191..300)", 'locus_tag="c"'),
        cds("join(310..400,500..600)", 'locus_tag="d"'),
        ("tRNA", "420..490", ['locus_tag="e"']),
    )
    overlaps = genes.overlaps
    assert (overlaps.pairs, overlaps.overlap_bp) == (2, 4 + 10)
    assert (overlaps.same_strand, overlaps.opposite_strand) == (1, 1)


def test_a_pair_shares_a_nucleotide_once_however_often_it_is_read(tmp_path: Path) -> None:
    slipping = facts(tmp_path, cds("join(1..100,100..200)"), cds("complement(91..110)"))
    assert (slipping.overlaps.pairs, slipping.overlaps.overlap_bp) == (1, 20)
    spliced = facts(tmp_path, cds("join(1..30,61..90)"), cds("21..70"), cds("join(26..65,81..84)"), cds("31..40"))
    assert (spliced.overlaps.pairs, spliced.overlaps.overlap_bp) == (5, (10 + 10) + (5 + 5 + 4) + 40 + 10 + 10)


def test_overlaps_of_all_genes_with_all_take_no_memory_of_their_pairs(tmp_path: Path) -> None:
    path = written(tmp_path, record(SEQUENCE, *[cds("1..300")] * 1500, *[cds("join(1..9,301..400)")] * 500))
    [found] = read_records(path)
    tracemalloc.start()
    genes, _ = measure_genes([found])
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert genes.overlaps.pairs == 2000 * 1999 // 2
    assert genes.overlaps.overlap_bp == 1500 * 1499 // 2 * 300 + 500 * 499 // 2 * 109 + 1500 * 500 * 9
    assert peak_bytes < genes.overlaps.pairs


def test_a_circle_has_one_stretch_over_its_origin_and_a_line_none(tmp_path: Path) -> None:
    features = [cds("101..200"), cds("301..400")]
    assert facts(tmp_path, *features).intergenic_bp.tolist() == [100]
    assert facts(tmp_path, *features, topology="circular").intergenic_bp.tolist() == [100, 700]


@pytest.mark.parametrize("location", ["join(951..1000,1..50)", "complement(join(951..1000,1..50))", "951..50"])
def test_a_gene_over_the_origin_is_one_stretch_of_a_circle(tmp_path: Path, location: str) -> None:
    measured = measure(written(tmp_path, record(SEQUENCE, cds(location), cds("101..200"), topology="circular")))
    assert (measured.records[0].features.start0[0], measured.records[0].features.end0[0]) == (950, 1050)
    assert measured.genes.intergenic_bp.tolist() == [50, 750]
    assert measured.genes.cds_length_bp.tolist() == [100, 100]


def test_operon_candidates_are_runs_on_one_strand(tmp_path: Path) -> None:
    genes = facts(
        tmp_path,
        cds("1..60"),
        cds("111..160"),
        cds("150..200"),
        cds("252..300"),
        cds("complement(310..360)"),
        cds("complement(365..400)"),
        ("tRNA", "405..470"),
        cds("complement(475..500)"),
    )
    assert genes.operons.sizes.tolist() == [3, 2]
    assert (genes.operons.operons, genes.operons.genes, genes.operons.largest) == (2, 5, 3)


def test_an_operon_goes_on_over_the_origin_of_a_circle(tmp_path: Path) -> None:
    features = [cds("11..100"), cds("400..500"), cds("901..990")]
    assert facts(tmp_path, *features, topology="circular").operons.sizes.tolist() == [2]
    assert facts(tmp_path, *features).operons.operons == 0


def test_hypothetical_is_what_the_product_says_of_cds_that_are_not_pseudo(tmp_path: Path) -> None:
    genes = facts(
        tmp_path,
        cds("1..9", 'product="Hypothetical protein"'),
        cds("11..19", 'product="DNA gyrase"'),
        cds("21..29", 'product="hypothetical protein"', "pseudo"),
        cds("31..39"),
    )
    assert genes.hypothetical == 1
    assert genes.hypothetical_share == pytest.approx(1 / 3)


def test_nothing_annotated_gives_zeros_and_nulls(tmp_path: Path) -> None:
    genes = facts(tmp_path)
    assert (genes.cds, genes.coding_density, genes.pseudo_share, genes.cds_lengths.median_bp) == (0, 0, None, None)
    assert (genes.overlaps.pairs, genes.operons.largest, genes.intergenic.count) == (0, 0, 0)
