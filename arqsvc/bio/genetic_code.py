"""NCBI's genetic codes as arrays over the 64 codons, and nucleotides as the small integers that index them.

Nucleotides are 0 T (U), 1 C, 2 A, 3 G, so that codon xyz is 16x + 4y + z and `CODONS` is in NCBI's own order.
The complement is `x ^ 2`.
Source: the tables of NCBI's Taxonomy group as Biopython carries them (`Bio.Data.CodonTable`).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from Bio.Data import CodonTable
from numpy.typing import NDArray

NUCLEOTIDES = "TCAG"
CODONS = tuple(x + y + z for x in NUCLEOTIDES for y in NUCLEOTIDES for z in NUCLEOTIDES)
GENETIC_CODES = tuple(sorted(CodonTable.unambiguous_dna_by_id))
"""Numbers of all translation tables."""

STANDARD_CODE = 1
"""What a CDS without `/transl_table` is read by."""


@dataclass(frozen=True, slots=True, eq=False)
class GeneticCode:
    """One translation table; every axis of 64 follows `CODONS`."""

    number: int
    name: str
    amino_acids: NDArray[np.uint8]
    """ASCII letter of each codon, `*` for a codon that only stops; uint8[64]."""

    stops: NDArray[np.bool_]
    """Codons that end translation, also where they may code (tables 27, 28, 31); bool[64]."""

    starts: NDArray[np.bool_]
    """Codons that begin translation, read as Met; bool[64]."""

    family: NDArray[np.int64]
    """Row of `amino_acid`, one family for all stops; int64[64]."""

    family_letters: str
    """Letter of each family, `*` for stops."""

    degeneracy: NDArray[np.int64]
    """Codons in the family of each codon; int64[64]."""

    @property
    def synonymous(self) -> NDArray[np.bool_]:
        """Codons of an amino acid that has two or more; bool[64]."""
        synonymous: NDArray[np.bool_] = (self.degeneracy > 1) & (self.amino_acids != ord("*"))
        return synonymous


@lru_cache(maxsize=len(GENETIC_CODES))
def genetic_code(number: int) -> GeneticCode:
    """Return a translation table by NCBI's number.

    Raises:
        KeyError: NCBI has no such table.

    >>> chr(genetic_code(4).amino_acids[CODONS.index("TGA")])
    'W'
    """
    table = CodonTable.unambiguous_dna_by_id[number]
    letters = "".join(table.forward_table.get(codon, "*") for codon in CODONS)
    families = "".join(sorted(set(letters)))
    family = np.array([families.index(letter) for letter in letters])
    return GeneticCode(
        number=number,
        name=table.names[0],
        amino_acids=np.frombuffer(letters.encode(), np.uint8),
        stops=np.array([codon in table.stop_codons for codon in CODONS]),
        starts=np.array([codon in table.start_codons for codon in CODONS]),
        family=family,
        family_letters=families,
        degeneracy=np.bincount(family)[family],
    )
