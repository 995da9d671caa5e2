"""The gene map of a circular record: CDS and RNA genes on tracks by strand, named while there is room."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from arqsvc.families.genomes.compute.record import Features
from arqsvc.families.genomes.figures import circle, gene_map
from arqsvc.families.genomes.figures.canvas import HAIR, LINE, MUTED, TEXT, sheet

TRACKS = {
    (True, True): (0.855, 0.95),
    (False, True): (0.745, 0.84),
    (True, False): (0.665, 0.715),
    (False, False): (0.6, 0.65),
}
"""Inner and outer radius by (forward, on the CDS track)."""

LEAST_TURN = 0.0012
"""What is narrower is drawn this wide, 0.4 degrees, so that a tRNA in a genome of megabases is seen."""

NAME_PT = 6.2


def draw_circular_map(path: Path, features: Features, name: str, length_bp: int) -> None:
    """Draw the map of one record; features as in `gene_map.KINDS`."""
    drawn = gene_map.pieces(features, least_bp=0.002 * length_bp)
    names = gene_map.names(features) if gene_map.gene_count(features) <= gene_map.MOST_NAMED else []
    with sheet(path, 7.2, 7.2) as figure:
        axes = circle.disc(figure, 1.4)
        circle.draw_scale(axes, length_bp, 0.57 if names else 1.0, inward=bool(names))
        for strand in (True, False):
            inner, outer = TRACKS[strand, True]
            circle.draw_ring(axes, (inner + outer) / 2, color=HAIR, width_pt=0.6)
        _draw_pieces(axes, drawn, length_bp, arrows=bool(names))
        _draw_names(axes, names, length_bp)
        circle.draw_name(axes, name, length_bp)
        _write_legend(axes, drawn)


def _draw_pieces(axes: Axes, drawn: list[gene_map.Piece], length_bp: int, arrows: bool) -> None:
    lanes = gene_map.lane_counts(drawn)
    for kind, (_, color) in gene_map.KINDS.items():
        shapes = []
        for piece in drawn:
            if piece.kind != kind:
                continue
            track = (piece.forward, gene_map.on_cds_track(kind))
            inner, outer = TRACKS[track]
            height = (outer - inner) / lanes[track]
            low = outer - height * (piece.lane + 1)
            least = LEAST_TURN * length_bp if arrows or not gene_map.on_cds_track(kind) else 0.0
            wider = max(0.0, least - (piece.end0 - piece.start0)) / 2
            head_bp = (1 if piece.forward else -1) * 0.007 * length_bp if arrows and piece.last else 0.0
            flat = gene_map.outline(
                piece.start0 - wider,
                piece.end0 + wider,
                low,
                low + height * 0.94,
                head_bp,
                circle.STEP_TURN * length_bp,
            )
            shapes.append(circle.on_circle(flat[:, 0] / length_bp, flat[:, 1]))
        circle.fill(axes, shapes, color, edge="white" if arrows else "none", width_pt=0.25)


def _draw_names(axes: Axes, names: list[gene_map.Name], length_bp: int) -> None:
    if not names:
        return
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
    width_in = axes.get_figure(root=True).get_size_inches()[0]
    return float(width_in * 72 / np.ptp(axes.get_xlim()))


def _write_legend(axes: Axes, drawn: list[gene_map.Piece]) -> None:
    tracks = [
        ("From outside in:", TEXT, True),
        ("CDS of the forward strand", MUTED, False),
        ("CDS of the reverse strand", MUTED, False),
    ]
    if any(not gene_map.on_cds_track(piece.kind) for piece in drawn):
        tracks += [("RNA genes, forward, reverse", MUTED, False)]
    circle.write_corner(axes, True, tracks)
    shown = [kind for kind in gene_map.KINDS if any(piece.kind == kind for piece in drawn)]
    for row, kind in enumerate(reversed(shown)):
        words, color = gene_map.KINDS[kind]
        y = 0.02 + 0.027 * row
        axes.plot(
            0.03,
            y + 0.008,
            "s",
            color=color,
            markersize=7,
            markeredgecolor=TEXT,
            markeredgewidth=0.5,
            transform=axes.transAxes,
        )
        axes.text(0.05, y, words, fontsize=8, va="bottom", transform=axes.transAxes)
