"""The gene map of linear records: strips one below the other, forward genes above the line, reverse genes below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from arqsvc.families.genomes.compute.record import Features
from arqsvc.families.genomes.figures import circle, gene_map, notation
from arqsvc.families.genomes.figures.canvas import LINE, MUTED, SQUARE, TEXT, Shape, bar, fill, sheet

MOST_RECORDS = 12
"""Records drawn, a strip each; a single one is cut into strips instead."""

GENES_A_STRIP = 28
MOST_STRIPS = 8
NAME_PT = 6.2
HEAD = 0.008
LEAST = 0.002
"""Length of an arrow head and least width of a gene, as shares of the strip."""

GENES_IN = 0.34
"""Height of the genes of one strand."""
WIDTH_IN = 7.6
LEFT, RIGHT = 0.035, 0.985

CDS_HIGH = 0.6
"""Upper edge of the CDS where RNA genes lie above them; else they go up to 1."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A stretch of a record that is drawn as one line."""

    name: str
    start0: int
    end0: int
    pieces: list[gene_map.Piece]
    names: list[gene_map.Name]


def draw_strips(path: Path, records: Sequence[tuple[str, int, Features]]) -> None:
    """Draw the map of linear records.

    Args:
        path: SVG to write.
        records: name, length in bp and features; all on one scale; `MOST_RECORDS` at most.
    """
    strips = _strips(records)
    span_bp = max(strip.end0 - strip.start0 for strip in strips)
    unit_bp, unit = notation.scale(max(length_bp for _, length_bp, _ in records))
    heights_in = [(0.42 + GENES_IN * sum(_reach(strip))) for strip in strips]
    height_in = sum(heights_in) + 0.55
    with sheet(path, WIDTH_IN, height_in) as figure:
        top_in = height_in - 0.25
        for strip, strip_in in zip(strips, heights_in, strict=True):
            body_in = strip_in - 0.42
            axes = figure.add_axes((LEFT, (top_in - 0.2 - body_in) / height_in, RIGHT - LEFT, body_in / height_in))
            _draw_strip(axes, strip, span_bp, unit_bp)
            top_in -= strip_in
        axes.set_xlabel(f"Position ({unit})")
        shown = {piece.kind for strip in strips for piece in strip.pieces}
        squares = [_square(kind) for kind in gene_map.KINDS if kind in shown]
        where: dict[str, Any] = {"loc": "upper right", "bbox_to_anchor": (RIGHT, 1.0), "borderaxespad": 0.2}
        figure.legend(handles=squares, ncols=max(len(squares), 1), **where)


def _reach(strip: Strip) -> tuple[float, float]:
    """Return how far a strip goes above and below its line: genes 1 where there are any, names as long as they are."""
    reach = []
    for forward in (True, False):
        genes = 1.05 if any(piece.forward is forward for piece in strip.pieces) else 0.15
        letters = max((len(name.words) for name in strip.names if name.forward is forward), default=0)
        reach.append(genes + (0.3 + letters * NAME_PT * 0.62 / (72 * GENES_IN)) * (letters > 0))
    return reach[0], reach[1]


def _strips(records: Sequence[tuple[str, int, Features]]) -> list[Strip]:
    genes = [gene_map.gene_count(features) for _, _, features in records]
    cuts = min(MOST_STRIPS, max(1, -(-genes[0] // GENES_A_STRIP))) if len(records) == 1 else 1
    span_bp = max(length_bp for _, length_bp, _ in records) / cuts
    strips = []
    for name, length_bp, features in records:
        drawn = gene_map.pieces(features, least_bp=0.002 * span_bp)
        names = gene_map.names(features) if sum(genes) <= gene_map.MOST_NAMED else []
        edges = [round(length_bp * cut / cuts) for cut in range(cuts + 1)]
        for start0, end0 in pairwise(edges):
            here = [piece for piece in drawn if piece.start0 < end0 and piece.end0 > start0]
            named = [one for one in names if start0 <= one.middle_bp < end0]
            strips.append(Strip("" if start0 else name, start0, end0, here, named))
    return strips


def _draw_strip(axes: Axes, strip: Strip, span_bp: int, unit_bp: int) -> None:
    above, below = _reach(strip)
    axes.set(xlim=(strip.start0 / unit_bp, (strip.start0 + span_bp) / unit_bp), ylim=(-below, above))
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.yaxis.set_major_locator(NullLocator())
    axes.plot([strip.start0 / unit_bp, strip.end0 / unit_bp], [0, 0], color=TEXT, linewidth=1.0)
    step_bp = circle.tick_step(span_bp, 10)
    ticks = np.arange(-(-strip.start0 // step_bp) * step_bp, strip.end0 + 1, step_bp)
    axes.set_xticks(ticks / unit_bp, [f"{tick / unit_bp:g}" for tick in ticks])
    axes.tick_params(axis="x", length=3, pad=2)
    axes.set_title(notation.label(strip.name), loc="left", fontsize=8, fontweight="bold", pad=5, parse_math=False)
    shapes = _shapes(strip, span_bp, unit_bp)
    sparse = len(strip.pieces) <= gene_map.MOST_NAMED
    for kind, (_, color) in gene_map.KINDS.items():
        fill(axes, shapes[kind], color, edge="white" if sparse else "none", width_pt=0.3)
    for forward in (True, False):
        _draw_names(axes, [name for name in strip.names if name.forward is forward], strip, span_bp, unit_bp)


def _shapes(strip: Strip, span_bp: int, unit_bp: int) -> dict[str, list[Shape]]:
    """Return the shapes of each kind in units of the axis, cut at the ends of the strip."""
    lanes = gene_map.lane_counts(strip.pieces)
    with_rna = any(not gene_map.on_cds_track(piece.kind) for piece in strip.pieces)
    shapes: dict[str, list[Shape]] = {kind: [] for kind in gene_map.KINDS}
    for piece in strip.pieces:
        track = (piece.forward, gene_map.on_cds_track(piece.kind))
        low, high = (0.1, CDS_HIGH if with_rna else 1.0) if track[1] else (CDS_HIGH + 0.04, 1.0)
        height = (high - low) / lanes[track]
        near = low + height * piece.lane
        edges = gene_map.across(piece.kind, near, near + height)
        edges = edges if piece.forward else (-edges[0], -edges[1])
        start0, end0 = max(piece.start0, strip.start0), min(piece.end0, strip.end0)
        whole = end0 == piece.end0 if piece.forward else start0 == piece.start0
        pointed = piece.last and whole and len(strip.pieces) <= gene_map.MOST_NAMED
        head_bp = (HEAD if piece.forward else -HEAD) * span_bp * pointed
        least_bp = LEAST * span_bp if strip.names or not track[1] else 0.0
        wider_bp = max(0.0, least_bp - (end0 - start0)) / 2
        start, end = (start0 - wider_bp) / unit_bp, (end0 + wider_bp) / unit_bp
        shapes[piece.kind].append(bar(start, end, *edges, head=head_bp / unit_bp))
    return shapes


def _draw_names(axes: Axes, names: list[gene_map.Name], strip: Strip, span_bp: int, unit_bp: int) -> None:
    if not names:
        return
    side = 1 if names[0].forward else -1
    middles = np.array([name.middle_bp for name in names])
    gap = span_bp * NAME_PT * 1.25 / (WIDTH_IN * 72 * (RIGHT - LEFT))
    placed = gene_map.spread(middles, gap, strip.start0 + gap / 2, strip.start0 + span_bp - gap / 2)
    for name, middle, at in zip(names, middles / unit_bp, placed / unit_bp, strict=True):
        axes.plot([middle, at, at], [side * 1.03, side * 1.2, side * 1.24], color=LINE, linewidth=0.4)
        color = TEXT if gene_map.on_cds_track(name.kind) else MUTED
        axes.text(
            at, side * 1.28, name.words, rotation=90, fontsize=NAME_PT, ha="center", color=color,
            va="bottom" if side > 0 else "top", parse_math=False,
        )  # fmt: skip


def _square(kind: str) -> Line2D:
    words, color = gene_map.KINDS[kind]
    return Line2D([], [], marker="s", linestyle="none", color=color, label=words, **SQUARE)
