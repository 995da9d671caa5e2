"""What a gene map shows, whatever its shape: genes cut into pieces, stacked where they overlap, and their names spread.

A piece is one part of a feature (an exon, mostly). It is shaped on a flat strip, place along the record against height;
the circular map bends the strip, the linear map cuts it into rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arqsvc.families.genomes.compute.genes import RNA_KINDS
from arqsvc.families.genomes.compute.record import Features
from arqsvc.families.genomes.figures import notation
from arqsvc.families.genomes.figures.canvas import BLUE, LINE, ORANGE, PURPLE, VERMILLION, Floats

MOST_NAMED = 140
"""Genes of a map that still get their names written."""

MOST_LETTERS = 14
MOST_LANES = 4

KINDS = {
    "CDS": ("CDS", BLUE),
    "pseudo": ("pseudo CDS", "#c3c9d0"),
    "gene": ("gene without product", LINE),
    "tRNA": ("tRNA, outer half", VERMILLION),
    "rRNA": ("rRNA, whole width", ORANGE),
    "RNA": ("other RNA, inner half", PURPLE),
}
"""Kinds that are drawn, with their words and colours."""

RNA_WIDTH = {"tRNA": (0.5, 1.0), "RNA": (0.0, 0.5)}
"""What a kind takes of the width of its lane, counted from the inner edge, so that no two differ by colour alone."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a gene on the map; `start0`, `end0` in bp, `end0` greater."""

    kind: str
    forward: bool
    start0: int
    end0: int
    last: bool
    """The 3' end of the gene is here: the piece carries the arrow head."""

    lane: int = 0


@dataclass(frozen=True, slots=True)
class Name:
    """What is written at a gene."""

    words: str
    middle_bp: float
    forward: bool
    kind: str


def pieces(features: Features, least_bp: float) -> list[Piece]:
    """Return the pieces of all genes, each on the first lane of its strand and track where it fits.

    Args:
        features: of one record.
        least_bp: overlaps up to this length are too short to be seen and share a lane.
    """
    found: list[Piece] = []
    for row, kind in _drawn(features):
        first, end = int(features.part_offset[row]), int(features.part_offset[row + 1])
        for part in range(first, end):
            start0, end0 = int(features.part_start0[part]), int(features.part_end0[part])
            if end0 > start0:
                found.append(Piece(kind, bool(features.part_strand[part] >= 0), start0, end0, part == end - 1))
    return _stacked(sorted(found, key=lambda piece: (piece.start0, -piece.end0)), least_bp)


def gene_count(features: Features) -> int:
    """Return how many genes the map of a record shows."""
    return len(_drawn(features))


def _drawn(features: Features) -> list[tuple[int, str]]:
    """Return row and kind of what is drawn: CDS and RNA; `gene` features where there is neither."""
    here = [(row, key) for row, key in enumerate(features.kind) if features.length_bp[row] > 0]
    rows = [(row, kind) for row, key in here if (kind := _kind(features, row, key))]
    return rows or [(row, "gene") for row, key in here if key == "gene"]


def _kind(features: Features, row: int, key: str) -> str | None:
    if key == "CDS":
        return "pseudo" if features.pseudo[row] else "CDS"
    if key in RNA_KINDS:
        return key if key in KINDS else "RNA"
    return None


def on_cds_track(kind: str) -> bool:
    """Return whether a kind lies on the broad tracks; RNA genes have narrow ones."""
    return kind in ("CDS", "pseudo", "gene")


def across(kind: str, inner: float, outer: float) -> tuple[float, float]:
    """Return the edges of a piece of this kind on a lane between two heights, `inner` the one nearer to the line."""
    first, last = RNA_WIDTH.get(kind, (0.0, 1.0))
    width = 0.94 * (outer - inner)
    return inner + first * width, inner + last * width


def _stacked(ordered: Sequence[Piece], least_bp: float) -> list[Piece]:
    lanes: dict[tuple[bool, bool], list[int]] = {}
    stacked = []
    for piece in ordered:
        ends = lanes.setdefault((piece.forward, on_cds_track(piece.kind)), [])
        free = next((lane for lane, end in enumerate(ends) if piece.start0 >= end - least_bp), len(ends))
        lane = min(free, MOST_LANES - 1)
        if lane == len(ends):
            ends.append(piece.end0)
        else:
            ends[lane] = max(ends[lane], piece.end0)
        stacked.append(Piece(piece.kind, piece.forward, piece.start0, piece.end0, piece.last, lane))
    return stacked


def lane_counts(drawn: Sequence[Piece]) -> dict[tuple[bool, bool], int]:
    """Return the lanes in use by (forward, on the CDS track)."""
    counts: dict[tuple[bool, bool], int] = {}
    for piece in drawn:
        track = (piece.forward, on_cds_track(piece.kind))
        counts[track] = max(counts.get(track, 0), piece.lane + 1)
    return counts


def names(features: Features) -> list[Name]:
    """Return the names of all drawn genes in the order of their middles."""
    found = []
    for row, kind in _drawn(features):
        parts = slice(int(features.part_offset[row]), int(features.part_offset[row + 1]))
        widest = parts.start + int(np.argmax(features.part_end0[parts] - features.part_start0[parts]))
        middle = (int(features.part_start0[widest]) + int(features.part_end0[widest])) / 2
        found.append(Name(_words(features, row), middle, bool(features.part_strand[widest] >= 0), kind))
    return sorted(found, key=lambda name: name.middle_bp)


def _words(features: Features, row: int) -> str:
    tag, product = features.locus_tag[row], features.product[row]
    known = (features.gene[row], *((product, tag) if features.kind[row] in RNA_KINDS else (tag, product)))
    return notation.label(next((name for name in known if name), features.kind[row]), MOST_LETTERS)


def spread(places: Floats, gap: float, low: float, high: float) -> Floats:
    """Return places in the same order, at least `gap` apart within `low`..`high`, moved as little as can be.

    Least squares under order (pool adjacent violators) once the gaps are taken out; too many share the room evenly.

    >>> spread(np.array([1.0, 1.0, 5.0]), 1.0, 0.0, 9.0).tolist()
    [0.5, 1.5, 5.0]
    """
    gap = min(gap, (high - low) / max(len(places) - 1, 1))
    offsets = gap * np.arange(len(places))
    blocks: list[tuple[float, int]] = []
    for value in places - offsets:
        total, size = float(value), 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / size:
            before, more = blocks.pop()
            total, size = total + before, size + more
        blocks.append((total, size))
    level = np.concatenate([np.full(size, total / size) for total, size in blocks]) if blocks else np.empty(0)
    placed: Floats = np.clip(level, low, high - gap * (len(places) - 1)) + offsets
    return placed
