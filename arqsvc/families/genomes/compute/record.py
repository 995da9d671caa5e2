"""What a GenBank record is to us once it is read: facts, nucleotides as small integers, features in columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Strands: TypeAlias = NDArray[np.int8]
Nucleotides: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The features of one record, a column a fact, a row a feature, in the order of the file; `n` rows."""

    kind: tuple[str, ...]
    """Feature key as written: `CDS`, `tRNA`, `source`, ..."""

    start0: Integers
    """First nucleotide, zero-based, int64[n]; of the outer span, introns included."""

    end0: Integers
    """One past the last, int64[n]; beyond the record's length where the feature crosses the origin of a circle."""

    strand: Strands
    """1 forward, -1 reverse, 0 both (trans-splicing) or unknown; int8[n]."""

    length_bp: Integers
    """Nucleotides of all parts together, introns not counted; int64[n]."""

    part_offset: Integers
    """Parts of feature i are rows part_offset[i]:part_offset[i + 1] of the three columns below; int64[n + 1]."""

    part_start0: Integers
    """Zero-based start of each part, in the order of transcription; within the record."""

    part_end0: Integers
    """One past the end of each part."""

    part_strand: Strands
    """1 or -1 for each part."""

    partial5: Flags
    """The 5' end lies beyond what is given (`<` there, seen along the strand)."""

    partial3: Flags
    """The 3' end lies beyond what is given."""

    remote: Flags
    """A part lies in another record (`J00194.1:100..202`); its nucleotides are not here and no part is kept for it."""

    joined: Flags
    """The parts make one molecule: a range or a `join`; False for `order`, `one-of`, `bond` and `a^b`."""

    pseudo: Flags
    """Marked `/pseudo` or `/pseudogene`."""

    codon_start: NDArray[np.int8]
    """`/codon_start` 1..3; 1 where absent or no number, 3 where greater."""

    transl_table: NDArray[np.int16]
    """`/transl_table`; 0 where absent or no number from 1 to 99."""

    locus_tag: tuple[str | None, ...]
    gene: tuple[str | None, ...]
    product: tuple[str | None, ...]
    protein_id: tuple[str | None, ...]
    translation: tuple[str | None, ...]
    """Amino acids of `/translation`, white space removed."""

    special: Mapping[int, Mapping[str, tuple[str, ...]]]
    """Rare qualifiers that change how a feature is read, by row and name, with all values: `transl_except`,
    `exception`, `ribosomal_slippage`, `trans_splicing`, `artificial_location`, `pseudo`, `pseudogene`; and
    `codon_start` and `transl_table` where they cannot be what they say."""

    unsound: Mapping[int, str]
    """Location as written of features that it does not place in the record, by row: parts beyond the ends are cut
    off above, parts that run backwards are left out, and what is no location has no part at all."""

    def __len__(self) -> int:
        return len(self.kind)

    def name(self, row: int) -> str | None:
        """Return what people call the feature: locus tag, else gene, else protein id, else product."""
        return self.locus_tag[row] or self.gene[row] or self.protein_id[row] or self.product[row]

    def parts(self, row: int) -> list[tuple[int, int, int]]:
        """Return (start0, end0, strand) of each part, in the order of transcription."""
        own = slice(self.part_offset[row], self.part_offset[row + 1])
        columns = (self.part_start0[own].tolist(), self.part_end0[own].tolist(), self.part_strand[own].tolist())
        return list(zip(*columns, strict=True))

    def location(self, row: int) -> str:
        """Return the location as GenBank writes it, one-based and inclusive; empty where all is in other records."""
        if row in self.unsound:
            return self.unsound[row]
        parts = self.parts(row)
        reverse = bool(parts) and all(strand < 0 for _, _, strand in parts)
        texts = [f"{start0 + 1}..{end0}" if end0 - start0 != 1 else f"{end0}" for start0, end0, _ in parts]
        if reverse:
            texts.reverse()
        else:
            texts = [f"complement({text})" if part[2] < 0 else text for text, part in zip(texts, parts, strict=True)]
        if texts and (self.partial3 if reverse else self.partial5)[row]:
            texts[0] = "<" + texts[0]
        if texts and (self.partial5 if reverse else self.partial3)[row]:
            texts[-1] = texts[-1].replace("..", "..>")
        text = ",".join(texts)
        text = f"join({text})" if len(texts) > 1 else text
        return f"complement({text})" if reverse else text


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One GenBank record: its header, its nucleotides and its features."""

    accession: str
    """`ACCESSION.VERSION`; the accession without version or the LOCUS name where the file has no more."""

    definition: str
    """The DEFINITION line; empty where absent."""

    organism: str
    """As in ORGANISM, without the lineage; empty where absent."""

    molecule_type: str
    """As in LOCUS: `DNA`, `mRNA`, `ss-RNA`; empty where absent."""

    circular: bool
    nucleotides: Nucleotides
    """uint8[length_bp]: 0 T (or U), 1 C, 2 A, 3 G, 4 N, 5 any other IUPAC code."""

    features: Features

    @property
    def length_bp(self) -> int:
        """Nucleotides in the record."""
        return len(self.nucleotides)

    @property
    def topology(self) -> str:
        """`circular` or `linear`; what LOCUS does not say is linear."""
        return "circular" if self.circular else "linear"
