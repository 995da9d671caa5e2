"""What the nucleotides alone say: length, G+C, gaps, N50, skew with origin and terminus, dinucleotide odds.

GC
    (G+C)/(A+C+G+T); U is T, other codes are left out. Oracles: seqkit, EMBOSS geecee.
N50, L50, N90, L90
    Shortest of the longest records that hold half (nine tenths) of the length, and how many they are. Miller, Koren &
    Sutton 2010, doi:10.1016/j.ygeno.2010.03.001. Oracle: seqkit.
auN
    Sum of squared lengths by their sum: the area under the Nx curve, as QUAST gives it.
    doi:10.1093/bioinformatics/bty266.
GC skew, origin, terminus
    (G-C)/(G+C) in windows of 1 kb side by side, and their running sum; the origin is the start of the window where
    the sum is least, the terminus where it is greatest. Lobry 1996, doi:10.1093/oxfordjournals.molbev.a025626;
    Grigoriev 1998, doi:10.1093/nar/26.10.2286. NC_000913.3: 3,925,000 (oriC lies at 3.9257 Mb) and 1,551,000.
dinucleotide odds
    f(xy)/(f(x) f(y)), f(xy) over neighbours that are both A, C, G or T, f(x) over all such bases. Burge, Campbell &
    Karlin 1992, doi:10.1073/pnas.89.4.1358. Oracle: EMBOSS compseq.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from arqsvc.bio.genetic_code import NUCLEOTIDES
from arqsvc.families.genomes.compute.measurements import Floats, SequenceFacts, Skew
from arqsvc.families.genomes.compute.record import Integers, Nucleotides, Record

WINDOW_BP = 1000
"""Length of a skew window; a multiple of 8, see `_per_window`."""

MIN_WINDOWS = 100
"""Fewest windows of a circle for which an origin and a terminus are given."""

GAP_BP = 10
"""Shortest run of N that counts as a gap."""

_T, _C, _A, _G, _N = range(5)

BitSet: TypeAlias = NDArray[np.uint64]
"""Where one base is: a bit a nucleotide, the first the lowest, zeros behind the last; 64 are compared at once."""


@dataclass(frozen=True, slots=True, eq=False)
class _Tally:
    """Counts of one record, that add up over records."""

    length_bp: int
    bases: Integers
    """T, C, A, G, N, other."""

    pairs: Integers
    """Neighbours that are both T, C, A or G; int64[4, 4]."""

    n_runs: Integers
    """Length of every run of N."""


def measure_sequences(records: Sequence[Record]) -> tuple[SequenceFacts, list[SequenceFacts]]:
    """Return the facts of all records together and of each."""
    sets = [_bit_sets(record.nucleotides) for record in records]
    tallies = [_tally(record.nucleotides, own) for record, own in zip(records, sets, strict=True)]
    each = [
        _facts([tally], _skew(own, record.length_bp, circular=record.circular))
        for record, tally, own in zip(records, tallies, sets, strict=True)
    ]
    return (each[0] if len(each) == 1 else _facts(tallies, None)), each


def skew(nucleotides: Nucleotides, *, circular: bool) -> Skew:
    """Return the G-C skew of a record in windows, with origin and terminus of a circle."""
    return _skew(_bit_sets(nucleotides), len(nucleotides), circular=circular)


def _skew(sets: Sequence[BitSet], length_bp: int, *, circular: bool) -> Skew:
    g, c = (_per_window(sets[base], length_bp // WINDOW_BP) for base in (_G, _C))
    both = g + c
    values = np.divide(g - c, both, out=np.zeros(len(both)), where=both > 0)
    cumulative = np.cumsum(values)
    clear = circular and len(values) >= MIN_WINDOWS
    return Skew(
        window_bp=WINDOW_BP,
        skew=values,
        cumulative=cumulative,
        origin_bp=int(np.argmin(cumulative)) * WINDOW_BP if clear else None,
        terminus_bp=int(np.argmax(cumulative)) * WINDOW_BP if clear else None,
    )


def _bit_sets(nucleotides: Nucleotides) -> list[BitSet]:
    """Return where T, C, A and G are."""
    known, low, high = _bits(nucleotides < _N), _bits(nucleotides & np.uint8(1)), _bits(nucleotides & np.uint8(2))
    return [known & ~(low | high), known & low & ~high, known & high & ~low, known & low & high]


def _bits(flags: NDArray[np.bool_] | Nucleotides) -> BitSet:
    packed = np.packbits(flags, bitorder="little")
    return np.concatenate((packed, np.zeros(-len(packed) % 8, np.uint8))).view("<u8")


def _size(places: BitSet) -> int:
    """Return how many bits are set."""
    return int(np.bitwise_count(places).sum(dtype=np.int64))


def _per_window(places: BitSet, windows: int) -> Integers:
    """Return how many bits are set in each whole window."""
    width = WINDOW_BP // 8
    own = places.view(np.uint8)[: windows * width]
    counts: Integers = np.bitwise_count(own).reshape(windows, width).sum(1, dtype=np.int64)
    return counts


def _tally(nucleotides: Nucleotides, sets: Sequence[BitSet]) -> _Tally:
    start0, end0 = n_runs(nucleotides)
    runs = end0 - start0
    bases = [*(_size(places) for places in sets), int(runs.sum())]
    before = [places >> np.uint64(1) | np.append(places[1:], np.uint64(0)) << np.uint64(63) for places in sets]
    pairs = [[_size(first & second) for second in before] for first in sets]
    return _Tally(len(nucleotides), np.array([*bases, len(nucleotides) - sum(bases)]), np.array(pairs), runs)


def n_runs(nucleotides: Nucleotides) -> tuple[Integers, Integers]:
    """Return start and end of every maximal run of N, ascending."""
    return runs_of(nucleotides == _N if nucleotides.max() >= _N else np.zeros(0, bool))


def runs_of(flags: NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Return start and end of every maximal run of true, ascending.

    >>> runs_of(np.array([True, False, True, True]))
    (array([0, 2]), array([1, 4]))
    """
    if not flags.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    steps = np.diff(flags.view(np.int8), prepend=np.int8(0), append=np.int8(0))
    return np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)


def _facts(tallies: Sequence[_Tally], windows: Skew | None) -> SequenceFacts:
    bases = np.sum([tally.bases for tally in tallies], 0)
    pairs = np.sum([tally.pairs for tally in tallies], 0)
    runs = np.concatenate([tally.n_runs for tally in tallies])
    gaps = runs[runs >= GAP_BP]
    lengths = np.sort(np.array([tally.length_bp for tally in tallies], np.int64))[::-1]
    n50, l50 = nx(lengths, 0.5)
    n90, l90 = nx(lengths, 0.9)
    return SequenceFacts(
        records=len(tallies),
        length_bp=int(lengths.sum()),
        bases={"A": int(bases[_A]), "C": int(bases[_C]), "G": int(bases[_G]), "T": int(bases[_T])}
        | {"N": int(bases[_N]), "other": int(bases[5])},
        gc=_ratio(bases[_G] + bases[_C], bases[:4].sum()),
        gc_skew=_ratio(bases[_G] - bases[_C], bases[_G] + bases[_C]),
        at_skew=_ratio(bases[_A] - bases[_T], bases[_A] + bases[_T]),
        n_runs=len(runs),
        gaps=len(gaps),
        gap_bp=int(gaps.sum()),
        longest_n_run_bp=int(runs.max(initial=0)),
        n50_bp=n50,
        l50=l50,
        n90_bp=n90,
        l90=l90,
        aun_bp=float((lengths.astype(float) ** 2).sum() / lengths.sum()),
        longest_bp=int(lengths[0]),
        shortest_bp=int(lengths[-1]),
        dinucleotide_odds=_odds(pairs, bases[:4]),
        skew=windows,
    )


def nx(lengths: Integers, share: float) -> tuple[int, int]:
    """Return Nx and Lx of lengths that fall.

    >>> nx(np.array([80, 70, 50, 40, 30, 20]), 0.5)
    (70, 2)
    """
    place = int(np.argmax(np.cumsum(lengths) >= share * lengths.sum()))
    return int(lengths[place]), place + 1


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _odds(pairs: Integers, bases: Integers) -> dict[str, float | None]:
    """Return the odds of the 16 dinucleotides in the order of the alphabet; None where a base is missing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        frequency: Floats = bases / bases.sum()
        odds = pairs / pairs.sum() / np.outer(frequency, frequency)
    named = {
        first + second: float(odds[i, j]) if np.isfinite(odds[i, j]) else None
        for i, first in enumerate(NUCLEOTIDES)
        for j, second in enumerate(NUCLEOTIDES)
    }
    return dict(sorted(named.items()))
