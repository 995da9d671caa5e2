"""The codons of every CDS of a record, read once: what codon usage counts and what validation checks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arqsvc.bio.genetic_code import GENETIC_CODES, STANDARD_CODE
from arqsvc.families.genomes.compute.record import Features, Flags, Integers, Nucleotides, Record

AMBIGUOUS = 64
"""Number of a codon that has a base other than T, C, A, G."""

_COMPLEMENT = bytes((2, 3, 0, 1, 4, 5))
_LETTERS = b"TCAGNN"


@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """All CDS of one record, a row a CDS, in the order of the file; `n` rows."""

    feature: Integers
    """Row in the record's features; int64[n]."""

    readable: Flags
    """All nucleotides are here, in parts that make one molecule; the others have no codons below; bool[n]."""

    genetic_code: Integers
    """NCBI translation table by which the CDS is read, the standard one where its own does not exist; int64[n]."""

    rest_bp: Integers
    """Nucleotides after the last whole codon, 0..2; int64[n]."""

    rest: tuple[str, ...]
    """Those nucleotides."""

    offset: Integers
    """Codons of CDS i are codon[offset[i]:offset[i + 1]]; int64[n + 1]."""

    codon: NDArray[np.uint8]
    """0..63 as in `CODONS`, or `AMBIGUOUS`; uint8[all codons]."""

    row: NDArray[np.int32]
    """CDS of each codon; int32[all codons]."""

    ambiguous: Integers
    """Codons with an ambiguous base in each CDS; int64[n]."""

    counted: Flags
    """CDS that codon usage counts: readable, not pseudo, whole codons, no ambiguous base, not empty; bool[n]."""

    @property
    def codons(self) -> Integers:
        """Whole codons of each CDS; int64[n]."""
        return np.diff(self.offset)


def read_coding(record: Record, *, genetic_code: int | None = None) -> Coding:
    """Return the codons of every CDS: parts joined in order, `codon_start` removed.

    Args:
        record: with nucleotides.
        genetic_code: read every CDS by this table, whatever its own.
    """
    features = record.features
    rows = np.array([row for row, kind in enumerate(features.kind) if kind == "CDS"], np.int64)
    readable = _readable(features, record.length_bp)[rows]
    pieces, rest = _pieces(record, rows, readable)
    length = np.array([len(piece) for piece in pieces], np.int64)
    codons = length // 3
    codon = _codon_numbers(np.frombuffer(b"".join(pieces), np.uint8))
    row = np.repeat(np.arange(len(rows), dtype=np.int32), codons)
    ambiguous = np.bincount(row[codon == AMBIGUOUS], minlength=len(rows))
    rest_bp = np.array([len(letters) for letters in rest], np.int64)
    tables = features.transl_table[rows].astype(np.int64)
    tables = np.where(np.isin(tables, GENETIC_CODES), tables, STANDARD_CODE)
    return Coding(
        feature=rows,
        readable=readable,
        genetic_code=tables if genetic_code is None else np.full(len(rows), genetic_code),
        rest_bp=rest_bp,
        rest=rest,
        offset=np.concatenate(([0], np.cumsum(codons))),
        codon=codon,
        row=row,
        ambiguous=ambiguous,
        counted=readable & ~features.pseudo[rows] & (rest_bp == 0) & (ambiguous == 0) & (codons > 0),
    )


def _readable(features: Features, length_bp: int) -> Flags:
    """Return which features have all their nucleotides in the record."""
    parts = np.diff(features.part_offset)
    outside = (
        (features.part_start0 < 0) | (features.part_end0 > length_bp) | (features.part_end0 <= features.part_start0)
    )
    lost = np.bincount(np.repeat(np.arange(len(parts)), parts)[outside], minlength=len(parts)) > 0
    return (parts > 0) & features.joined & ~features.remote & ~lost


def _pieces(record: Record, rows: Integers, readable: Flags) -> tuple[list[bytes], tuple[str, ...]]:
    """Return the whole codons of each CDS as bytes of nucleotide numbers, and the letters after the last of them."""
    forward = record.nucleotides.tobytes()
    reverse = forward.translate(_COMPLEMENT + bytes(range(6, 256)))[::-1]
    size = len(forward)
    features = record.features
    starts, ends = features.part_start0.tolist(), features.part_end0.tolist()
    strands, offsets = features.part_strand.tolist(), features.part_offset.tolist()
    skips = (features.codon_start - 1).tolist()
    pieces, rest = [], []
    for row, has_codons in zip(rows.tolist(), readable.tolist(), strict=True):
        parts = range(offsets[row], offsets[row + 1]) if has_codons else ()
        stretches = [
            forward[starts[part] : ends[part]]
            if strands[part] > 0
            else reverse[size - ends[part] : size - starts[part]]
            for part in parts
        ]
        piece = stretches[0] if len(stretches) == 1 else b"".join(stretches)
        end = len(piece) - (len(piece) - skips[row]) % 3
        rest.append(piece[end:].translate(_LETTERS + bytes(250)).decode() if end < len(piece) else "")
        pieces.append(piece[skips[row] : end])
    return pieces, tuple(rest)


def _codon_numbers(nucleotides: Nucleotides) -> NDArray[np.uint8]:
    """Return codon numbers of nucleotides in frame; uint8[len // 3]."""
    first, second, third = nucleotides[0::3], nucleotides[1::3], nucleotides[2::3]
    codon: NDArray[np.uint8] = first << np.uint8(4)
    codon |= second << np.uint8(2)
    codon |= third
    codon[(first | second | third) > 3] = AMBIGUOUS
    return codon
