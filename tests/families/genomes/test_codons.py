from math import log
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from arqsvc.bio.genetic_code import CODONS, genetic_code
from arqsvc.errors import BadInput
from arqsvc.families.genomes.compute.analyze import measure
from arqsvc.families.genomes.compute.codons import (
    cai_weights,
    codon_adaptation,
    effective_number_of_codons,
    is_ribosomal_protein,
    relative_synonymous_usage,
)
from tests.families.genomes.flatfile import Feature, record, written


def counts(**numbers: int) -> NDArray[np.int64]:
    return np.array([numbers.get(codon, 0) for codon in CODONS], np.int64)


def cds(location: str, *qualifiers: str) -> Feature:
    return ("CDS", location, qualifiers)


def test_one_codon_for_every_amino_acid_gives_nc_twenty() -> None:
    code = genetic_code(1)
    first = [int(np.flatnonzero(code.family == family)[0]) for family in range(21)]
    usage = np.zeros((1, 64), np.int64)
    usage[0, first] = 10
    assert effective_number_of_codons(usage, code)[0] == pytest.approx(20)


def test_equal_use_of_all_codons_gives_nc_sixty_one() -> None:
    assert effective_number_of_codons(np.full((1, 64), 1000), genetic_code(1))[0] == 61


def test_nc_takes_the_degeneracies_of_the_code() -> None:
    usage = np.full((1, 64), 1_000_000)
    assert effective_number_of_codons(usage, genetic_code(2))[0] == pytest.approx(60, abs=1e-3)


def test_nc_without_isoleucine_takes_the_mean_of_its_neighbours() -> None:
    usage = np.full((1, 64), 50)
    usage[0, [CODONS.index(codon) for codon in ("ATT", "ATC", "ATA")]] = 0
    f2, f4, f6 = ((50 * k / k - 1) / (50 * k - 1) for k in (2, 4, 6))
    expected = 2 + 9 / f2 + 2 / (f2 + f4) + 5 / f4 + 3 / f6
    assert effective_number_of_codons(usage, genetic_code(1))[0] == pytest.approx(min(expected, 61))


def test_nc_is_undefined_where_a_degeneracy_is_empty() -> None:
    assert np.isnan(effective_number_of_codons(counts(ATG=3, AAA=2, AAG=2)[None], genetic_code(1))[0])


def test_rscu_is_relative_to_the_family_and_undefined_where_it_is_not_seen() -> None:
    rscu = relative_synonymous_usage(counts(AAA=3, AAG=1, ATG=5), genetic_code(1))
    assert rscu[CODONS.index("AAA")] == 1.5
    assert rscu[CODONS.index("AAG")] == 0.5
    assert rscu[CODONS.index("ATG")] == 1
    assert np.isnan(rscu[CODONS.index("TTT")])


def test_cai_leaves_out_single_codon_families_and_halves_what_the_reference_never_uses() -> None:
    weights = cai_weights(counts(AAA=4, GAA=3, GAG=1, ATG=9, TAA=2), genetic_code(1))
    w = dict(zip(CODONS, weights.tolist(), strict=True))
    assert (w["AAA"], w["AAG"], w["GAG"]) == (1, 0.125, pytest.approx(1 / 3))
    assert all(np.isnan(w[codon]) for codon in ("ATG", "TGG", "TAA", "CTG"))
    cai = codon_adaptation(counts(ATG=7, AAG=1, GAG=2, CTG=5)[None], weights)[0]
    assert cai == pytest.approx(np.exp((log(0.125) + 2 * log(1 / 3)) / 3))


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        ("30S ribosomal subunit protein S20", True),
        ("50S ribosomal protein L7/L12", True),
        ("ribosomal protein S12", True),
        ("50S ribosomal protein bL36", True),
        ("30S ribosomal protein S14 type Z", True),
        ("SSU ribosomal protein S4P (S9E)", True),
        ("Probable SSU ribosomal protein S15P/S13E", True),
        ("acidic ribosomal protein P0", True),
        ("Ribosomal L37ae protein", True),
        ("28S ribosomal protein S33, mitochondrial", True),
        ("ribosomal protein S2 pseudogene 32", False),
        ("ribosomal protein L7Ae/L30e/S12e/Gadd45", False),
        ("ribosomal protein L11 methyltransferase", False),
        ("ribosomal-protein-alanine N-acetyltransferase", False),
        ("30S ribosomal protein S12 methylthiotransferase", False),
        (None, False),
    ],
)
def test_a_ribosomal_protein_is_told_from_enzymes_that_work_on_one(product: str | None, expected: bool) -> None:
    assert is_ribosomal_protein(product) is expected


SEQUENCE = "ATGAAATAA" + "TTATTTCAT" + "CATGAAATAAG" + "ATGNAATAA" + "ATGAAATA"


def test_what_counts_and_what_does_not_is_told_by_reason(tmp_path: Path) -> None:
    features = [
        cds("1..9"),
        cds("complement(10..18)"),
        cds("19..29", "codon_start=3"),
        cds("1..9", "pseudo"),
        cds("30..38"),
        cds("39..46"),
        cds("order(1..3,4..9)"),
        cds("join(1..6,J00194.1:1..3)"),
        cds("40..60"),
        cds("1..2"),
    ]
    usage = measure(written(tmp_path, record(SEQUENCE, *features))).codons
    assert usage.cds_used == 3
    assert dict(usage.cds_left_out) == {
        "pseudo": 1, "not_joined": 1, "not_in_record": 2, "broken_codon": 2, "ambiguous_bases": 1, "empty": 0,
    }  # fmt: skip
    assert usage.genes.codons.tolist() == [3, 3, 3]
    assert dict(usage.start_codons) == {"ATG": 2, "TGA": 1}
    assert usage.stop_codons["TAA"] == 2


def test_each_cds_is_read_by_its_own_code_unless_the_caller_says_otherwise(tmp_path: Path) -> None:
    sequence = "ATGAGATGATAA" * 20
    features = [cds("1..12"), cds("13..24", "transl_table=2"), cds("25..36", "transl_table=2")]
    path = written(tmp_path, record(sequence, *features))
    usage = measure(path).codons
    assert (usage.genetic_code, dict(usage.genetic_codes)) == (2, {1: 1, 2: 2})
    assert dict(measure(path, genetic_code=4).codons.genetic_codes) == {4: 3}
    with pytest.raises(BadInput, match="no genetic code 7") as refused:
        measure(path, genetic_code=7)
    assert refused.value.facts["reason"] == "unknown_genetic_code"


def test_cai_takes_the_genes_that_the_caller_names(tmp_path: Path) -> None:
    features = [cds("1..9", 'locus_tag="a"'), cds("10..18", 'locus_tag="b"', 'gene="bbb"')]
    path = written(tmp_path, record("ATGAAATAA" + "ATGAAGTAA", *features))
    assert measure(path).codons.cai_reference.source == "none"
    usage = measure(path, cai_reference=["bbb"]).codons
    assert usage.cai_reference.genes == ("b",)
    assert usage.genes.cai.tolist() == [pytest.approx(0.5), pytest.approx(1)]
    with pytest.raises(BadInput, match="'c'"):
        measure(path, cai_reference=["a", "c"])


def test_a_file_without_cds_has_counts_of_zero_and_nothing_else(tmp_path: Path) -> None:
    usage = measure(written(tmp_path, record("ACGT" * 10))).codons
    assert (usage.codons_total, usage.genetic_code, usage.nc, usage.gc, usage.gc3s, usage.cai) == (0, *[None] * 5)
    assert np.isnan(usage.rscu).all()
