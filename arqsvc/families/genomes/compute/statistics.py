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

import numpy as np
from numpy.typing import NDArray

from arqsvc.bio.genetic_code import NUCLEOTIDES
from arqsvc.families.genomes.compute.measurements import Floats, SequenceFacts, Skew
from arqsvc.families.genomes.compute.record import Integers, Nucleotides, Record

WINDOW_BP = 1000
"""Length of a skew window; at most 2,040, see `_per_window`."""

MIN_WINDOWS = 100
"""Fewest windows of a circle for which an origin and a terminus are given."""

GAP_BP = 10
"""Shortest run of N that counts as a gap."""

_CHUNK_BP = 1 << 18
"""Nucleotides compared at once, so that what is compared stays in the cache."""

_T, _C, _A, _G, _N = range(5)


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
    tallies = [_tally(record.nucleotides) for record in records]
    each = [
        _facts([tally], skew(record.nucleotides, circular=record.circular))
        for record, tally in zip(records, tallies, strict=True)
    ]
    return (each[0] if len(each) == 1 else _facts(tallies, None)), each


def skew(nucleotides: Nucleotides, *, circular: bool) -> Skew:
    """Return the G-C skew of a record in windows, with origin and terminus of a circle."""
    g, c = _per_window(nucleotides == _G), _per_window(nucleotides == _C)
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


def _per_window(is_base: NDArray[np.bool_]) -> Integers:
    """Return how many are true in each whole window.

    Adds eight bytes in one 64-bit word, each a lane of its own: a lane sees an eighth of a window, and holds 255.
    """
    windows = len(is_base) // WINDOW_BP
    words = is_base[: windows * WINDOW_BP].view(np.uint64).reshape(windows, WINDOW_BP // 8)
    counts: Integers = words.sum(1).view(np.uint8).reshape(windows, 8).sum(1, dtype=np.int64)
    return counts


def _tally(nucleotides: Nucleotides) -> _Tally:
    bases, pairs = np.zeros(6, np.int64), np.zeros(16, np.int64)
    for start in range(0, len(nucleotides), _CHUNK_BP):
        chunk = nucleotides[start : start + _CHUNK_BP + 1]
        counts = [np.count_nonzero(chunk[:_CHUNK_BP] == base) for base in range(6)]
        bases += counts
        pair = (chunk[:-1] << 2) | chunk[1:]
        if counts[_N] or counts[5] or chunk[-1] >= _N:
            pair = pair[(chunk[:-1] < _N) & (chunk[1:] < _N)]
        pairs += [np.count_nonzero(pair == number) for number in range(16)]
    start0, end0 = runs_of(nucleotides == _N) if bases[_N] else (bases[:0], bases[:0])
    return _Tally(len(nucleotides), bases, pairs.reshape(4, 4), end0 - start0)


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
