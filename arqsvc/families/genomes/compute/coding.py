"""The codons of every CDS of a record, read once: what codon usage counts and what validation checks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arqsvc.bio.genetic_code import GENETIC_CODES, STANDARD_CODE
from arqsvc.families.genomes.compute.record import Features, Flags, Integers, Nucleotides, Record

AMBIGUOUS = 64
"""Number of a codon that has a base other than T, C, A, G."""

_COMPLEMENT = np.uint8(2)
"""A nucleotide XOR this is its complement; an ambiguous one stays so, as 4 to 7."""

_LETTERS = "TCAGNNNN"
_COUNTED_AT_ONCE = 128
"""CDS whose codons are counted at once, so that they stay in the cache."""


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

    counts: Integers
    """How often each CDS has each codon, `AMBIGUOUS` the last; int64[n, 65]."""

    counted: Flags
    """CDS that codon usage counts: readable, not pseudo, whole codons, no ambiguous base, not empty; bool[n]."""

    @property
    def ambiguous(self) -> Integers:
        """Codons with an ambiguous base in each CDS; int64[n]."""
        return self.counts[:, AMBIGUOUS]

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
    readable = _readable(features)[rows]
    pieces, rest = _pieces(record, rows, readable)
    length = np.array([len(piece) for piece in pieces], np.int64)
    codons = length // 3
    offset = np.concatenate(([0], np.cumsum(codons)))
    codon = _codon_numbers(np.concatenate([record.nucleotides[:0], *pieces]))
    counts = _counts(codon, offset)
    rest_bp = np.array([len(letters) for letters in rest], np.int64)
    tables = features.transl_table[rows].astype(np.int64)
    tables = np.where(np.isin(tables, GENETIC_CODES), tables, STANDARD_CODE)
    return Coding(
        feature=rows,
        readable=readable,
        genetic_code=tables if genetic_code is None else np.full(len(rows), genetic_code),
        rest_bp=rest_bp,
        rest=rest,
        offset=offset,
        codon=codon,
        counts=counts,
        counted=readable & ~features.pseudo[rows] & (rest_bp == 0) & (counts[:, AMBIGUOUS] == 0) & (codons > 0),
    )


def _readable(features: Features) -> Flags:
    """Return which features have all their nucleotides in the record."""
    sound = ~np.isin(np.arange(len(features)), list(features.unsound))
    return (features.length_bp > 0) & features.joined & ~features.remote & sound


def _pieces(record: Record, rows: Integers, readable: Flags) -> tuple[list[Nucleotides], tuple[str, ...]]:
    """Return the whole codons of each CDS as nucleotides, and the letters after the last of them."""
    forward, features = record.nucleotides, record.features
    complement = forward ^ _COMPLEMENT
    starts, ends = features.part_start0.tolist(), features.part_end0.tolist()
    strands, offsets = features.part_strand.tolist(), features.part_offset.tolist()
    skips = (features.codon_start - 1).tolist()
    pieces, rest = [], []
    for row, has_codons in zip(rows.tolist(), readable.tolist(), strict=True):
        parts = range(offsets[row], offsets[row + 1]) if has_codons else ()
        stretches = [
            forward[starts[part] : ends[part]] if strands[part] > 0 else complement[starts[part] : ends[part]][::-1]
            for part in parts
        ]
        piece = stretches[0] if len(stretches) == 1 else np.concatenate([forward[:0], *stretches])
        end = len(piece) - (len(piece) - skips[row]) % 3
        rest.append("".join([_LETTERS[number] for number in piece[end:]]) if end < len(piece) else "")
        pieces.append(piece[skips[row] : end])
    return pieces, tuple(rest)


def _codon_numbers(nucleotides: Nucleotides) -> NDArray[np.uint8]:
    """Return codon numbers of nucleotides in frame; uint8[len // 3]."""
    first, second, third = nucleotides[0::3], nucleotides[1::3], nucleotides[2::3]
    codon: NDArray[np.uint8] = first << np.uint8(4)
    codon |= second << np.uint8(2)
    codon |= third
    if nucleotides.max(initial=0) > 3:
        codon[(first | second | third) > 3] = AMBIGUOUS
    return codon


def _counts(codon: NDArray[np.uint8], offset: Integers) -> Integers:
    """Return how often each CDS has each codon; int64[n, 65]."""
    codons = np.diff(offset)
    counts = np.zeros((len(codons), AMBIGUOUS + 1), np.int64)
    for low in range(0, len(codons), _COUNTED_AT_ONCE):
        own = counts[low : low + _COUNTED_AT_ONCE]
        first_bin = np.repeat(np.arange(0, own.size, AMBIGUOUS + 1), codons[low : low + len(own)])
        bins = first_bin + codon[offset[low] : offset[low + len(own)]]
        own[:] = np.bincount(bins, minlength=own.size).reshape(own.shape)
    return counts
