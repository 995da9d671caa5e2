"""The gene map of a circular record: CDS and RNA genes on tracks by strand, named while there is room."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from arqsvc.families.genomes.compute.record import Features
from arqsvc.families.genomes.figures import circle, gene_map
from arqsvc.families.genomes.figures.canvas import HAIR, LINE, MUTED, SQUARE, TEXT, Shape, bar, fill, sheet

Tracks = dict[tuple[bool, bool], tuple[float, float]]
"""Inner and outer radius by (forward, on the CDS track)."""

WITH_RNA: Tracks = {
    (True, True): (0.855, 0.95),
    (False, True): (0.745, 0.84),
    (True, False): (0.665, 0.715),
    (False, False): (0.6, 0.65),
}
WITHOUT_RNA: Tracks = {(True, True): (0.795, 0.95), (False, True): (0.615, 0.77)}

LEAST_TURN = 0.0012
"""What is narrower is drawn this wide, 0.4 degrees, so that a tRNA in a genome of megabases is seen."""

HEAD_TURN = 0.007
NAME_PT = 6.2


def draw_circular_map(path: Path, features: Features, name: str, length_bp: int) -> None:
    """Draw the map of one record; features as in `gene_map.KINDS`."""
    drawn = gene_map.pieces(features, least_bp=0.002 * length_bp)
    tracks = WITH_RNA if any(not gene_map.on_cds_track(piece.kind) for piece in drawn) else WITHOUT_RNA
    named = gene_map.gene_count(features) <= gene_map.MOST_NAMED
    with sheet(path, 7.2, 7.2) as figure:
        axes = circle.disc(figure, 1.4 if named else 1.2)
        circle.draw_scale(axes, length_bp, 0.57 if named else 1.0, inward=named)
        for forward in (True, False):
            circle.draw_ring(axes, sum(tracks[forward, True]) / 2, color=HAIR, width_pt=0.6)
        shapes = _shapes(drawn, tracks, length_bp, named)
        for kind, (_, color) in gene_map.KINDS.items():
            edge = "white" if named else "none"
            fill(axes, shapes[kind], color, bend=circle.bent, edge=edge, width_pt=0.25)
        if named:
            _draw_names(axes, gene_map.names(features), length_bp)
        circle.draw_name(axes, name, length_bp)
        _write_legend(axes, [kind for kind in gene_map.KINDS if shapes[kind]])


def _shapes(drawn: list[gene_map.Piece], tracks: Tracks, length_bp: int, named: bool) -> dict[str, list[Shape]]:
    """Return the shapes of each kind on a flat strip, turn against radius."""
    lanes = gene_map.lane_counts(drawn)
    shapes: dict[str, list[Shape]] = {kind: [] for kind in gene_map.KINDS}
    for piece in drawn:
        track = (piece.forward, gene_map.on_cds_track(piece.kind))
        inner, outer = tracks[track]
        height = (outer - inner) / lanes[track]
        low = outer - height * (piece.lane + 1)
        start, end = piece.start0 / length_bp, piece.end0 / length_bp
        wider = max(0.0, LEAST_TURN - (end - start)) / 2 if named or not track[1] else 0.0
        head = (HEAD_TURN if piece.forward else -HEAD_TURN) if named and piece.last else 0.0
        edges = gene_map.across(piece.kind, low, low + height)
        shapes[piece.kind].append(bar(start - wider, end + wider, *edges, head=head, corner=circle.STEP_TURN))
    return shapes


def _draw_names(axes: Axes, names: list[gene_map.Name], length_bp: int) -> None:
    turns = np.array([name.middle_bp for name in names]) / length_bp
    gaps = np.diff(np.append(turns, turns[0] + 1))
    cut = (int(gaps.argmax()) + 1) % len(names)
    order = np.roll(np.arange(len(names)), -cut)
    unrolled = turns[order] + (turns[order] < turns[order[0]])
    low = unrolled[0] - gaps.max() / 2
    gap = NAME_PT * 1.2 / (2 * np.pi * 1.05 * _points_a_radius(axes))
    placed = gene_map.spread(unrolled, gap, low, low + 1 - gap)
    for turn, at, i in zip(unrolled, placed, order, strict=True):
        (x0, y0), (x1, y1) = circle.on_circle(np.array([turn, at]), np.array([0.955, 1.04]))
        (x2, y2), (x, y) = circle.on_circle(np.array([at, at]), np.array([1.055, 1.065]))
        axes.plot([x0, x1, x2], [y0, y1, y2], color=LINE, linewidth=0.4)
        _write_name(axes, names[i], x, y, at % 1)


def _write_name(axes: Axes, name: gene_map.Name, x: float, y: float, turn: float) -> None:
    right = turn < 0.5
    color = TEXT if gene_map.on_cds_track(name.kind) else MUTED
    axes.text(
        x, y, name.words, rotation=90 - 360 * turn + (0 if right else 180), rotation_mode="anchor", fontsize=NAME_PT,
        ha="left" if right else "right", va="center_baseline", color=color, parse_math=False,
    )  # fmt: skip


def _points_a_radius(axes: Axes) -> float:
    return float(axes.bbox.width / axes.figure.dpi * 72 / np.ptp(axes.get_xlim()))


def _write_legend(axes: Axes, kinds: list[str]) -> None:
    tracks = [("From outside in:", TEXT, True)]
    tracks += [(f"CDS of the {strand} strand", MUTED, False) for strand in ("forward", "reverse")]
    if not all(gene_map.on_cds_track(kind) for kind in kinds):
        tracks += [("RNA genes, forward, reverse", MUTED, False)]
    circle.write_corner(axes, True, tracks)
    for row, kind in enumerate(reversed(kinds)):
        words, color = gene_map.KINDS[kind]
        y = 0.02 + 0.027 * row
        axes.plot(0.03, y + 0.008, "s", color=color, **SQUARE, transform=axes.transAxes)
        axes.text(0.05, y, words, fontsize=8, va="bottom", transform=axes.transAxes)
