import numpy as np
import pytest

from arqsvc.bio.genetic_code import CODONS, GENETIC_CODES, genetic_code


def letters(number: int) -> str:
    return genetic_code(number).amino_acids.tobytes().decode()


def test_the_standard_code_is_in_ncbis_order_of_codons() -> None:
    assert letters(1) == "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"


@pytest.mark.parametrize(
    ("number", "codon", "letter"),
    [(2, "AGA", "*"), (2, "TGA", "W"), (4, "TGA", "W"), (5, "AGA", "S"), (6, "TAA", "Q"), (25, "TGA", "G")],
)
def test_other_codes_read_their_codons(number: int, codon: str, letter: str) -> None:
    assert letters(number)[CODONS.index(codon)] == letter


def test_a_code_whose_stops_also_code_keeps_both() -> None:
    code = genetic_code(27)
    tga = CODONS.index("TGA")
    assert code.stops[tga]
    assert code.amino_acids[tga] == ord("W")


@pytest.mark.parametrize("number", GENETIC_CODES)
def test_families_cover_the_64_codons_of_every_code(number: int) -> None:
    code = genetic_code(number)
    sizes = np.bincount(code.family)
    assert sizes.sum() == 64
    assert (sizes[code.family] == code.degeneracy).all()
    assert not (code.synonymous & (code.amino_acids == ord("*"))).any()


def test_the_complement_of_a_nucleotide_is_its_number_xor_two() -> None:
    assert ["TCAG"[number ^ 2] for number in range(4)] == list("AGTC")
