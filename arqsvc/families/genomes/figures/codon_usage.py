"""Codon usage in two pictures: RSCU of every codon by amino acid, and Nc of every gene against its GC3s.

Sharp & Li 1987, doi:10.1093/nar/15.3.1281; Wright 1990, doi:10.1016/0378-1119(90)90491-9.
"""

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from arqsvc.bio.genetic_code import CODONS, GeneticCode
from arqsvc.families.genomes.figures import notation
from arqsvc.families.genomes.figures.canvas import BLUE, SKY, TEXT, VERMILLION, Floats, sheet

AMINO_ACIDS = {
    "A": "Ala", "C": "Cys", "D": "Asp", "E": "Glu", "F": "Phe", "G": "Gly", "H": "His", "I": "Ile", "K": "Lys",
    "L": "Leu", "M": "Met", "N": "Asn", "P": "Pro", "Q": "Gln", "R": "Arg", "S": "Ser", "T": "Thr", "V": "Val",
    "W": "Trp", "Y": "Tyr", "*": "Stop",
}  # fmt: skip

DENSITY_RAMP = ("#7fb7dc", "#3f92c6", "#0072b2", "#00507d", "#00304c")
"""Light where genes stand alone, dark where they crowd: the order survives greyscale."""

FEW_GENES = 200
NC_AXIS = (18, 64)


def families(code: GeneticCode) -> list[tuple[str, list[int]]]:
    """Return the amino acids of a code by three-letter name, stops last, each with the rows of its codons.

    >>> from arqsvc.bio.genetic_code import genetic_code
    >>> [(name, [CODONS[row] for row in rows]) for name, rows in families(genetic_code(4)) if name in ("Trp", "Stop")]
    [('Trp', ['TGA', 'TGG']), ('Stop', ['TAA', 'TAG'])]
    """
    named = sorted((AMINO_ACIDS[chr(letter)], row) for row, letter in enumerate(code.amino_acids))
    groups = [(name, [row for _, row in rows]) for name, rows in groupby(named, key=lambda pair: pair[0])]
    return sorted(groups, key=lambda group: group[0] == "Stop")


def draw_rscu(path: Path, rscu: Floats, code: GeneticCode) -> None:
    """Draw a bar a codon, grouped by amino acid, in two rows.

    Args:
        path: SVG to write.
        rscu: float64[64] in the order of `CODONS`, NaN where the family was not seen.
        code: the translation table that groups the codons.
    """
    groups = families(code)
    half = min(range(1, len(groups)), key=lambda cut: abs(_width(groups[:cut]) - _width(groups[cut:])))
    top = max(2.0, 1.08 * float(np.nanmax(rscu, initial=0)))
    with sheet(path, 7.6, 5.4) as figure:
        rows = figure.subplots(2, 1)
        figure.subplots_adjust(left=0.075, right=0.99, top=0.93, bottom=0.125, hspace=0.42)
        for axes, shown in zip(rows, (groups[:half], groups[half:]), strict=True):
            _draw_families(axes, shown, rscu)
            axes.set(ylim=(0, top), ylabel="RSCU (1 = no preference)")
        for color, words in ((BLUE, "codon ends in G or C"), (SKY, "codon ends in A or T")):
            rows[0].bar(0, 0, color=color, edgecolor=TEXT, linewidth=0.6, label=words)
        rows[0].legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)


def _width(groups: list[tuple[str, list[int]]]) -> int:
    return sum(len(rows) + 1 for _, rows in groups)


def _draw_families(axes: Axes, groups: list[tuple[str, list[int]]], rscu: Floats) -> None:
    places: list[float] = []
    shown: list[int] = []
    place = 0.0
    for name, rows in groups:
        middle = place + (len(rows) - 1) / 2
        axes.text(middle, -0.22, name, ha="center", va="top", fontweight="bold", transform=axes.get_xaxis_transform())
        places.extend(place + offset for offset in range(len(rows)))
        shown.extend(rows)
        place += len(rows) + 1
    heights = np.nan_to_num(rscu[shown])
    colors = [BLUE if CODONS[row][2] in "GC" else SKY for row in shown]
    axes.bar(places, heights, width=0.86, color=colors, edgecolor=TEXT, linewidth=0.6)
    axes.set_xticks(places, [CODONS[row] for row in shown], rotation=90, family="DejaVu Sans Mono", fontsize=7.5)
    axes.tick_params(axis="x", length=0)
    axes.axhline(1, color=TEXT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xlim(-0.8, place - 1.2)


def expected_nc(gc3s: Floats) -> Floats:
    """Return the Nc that GC3s alone would give, by Wright's curve: 2 + s + 29 / (s² + (1 - s)²).

    >>> [round(float(nc), 1) for nc in expected_nc(np.array([0.0, 0.5, 1.0]))]
    [31.0, 60.5, 32.0]
    """
    return 2 + gc3s + 29 / (gc3s**2 + (1 - gc3s) ** 2)


def draw_nc_gc3s(path: Path, nc: Floats, gc3s: Floats, pooled: tuple[float, float] | None) -> None:
    """Draw a dot a gene, the darker the more genes are near, beside Wright's curve.

    Args:
        path: SVG to write.
        nc: effective number of codons, float64[n]; without NaN, n >= 1.
        gc3s: 0..1, float64[n]; without NaN.
        pooled: GC3s and Nc of all genes together, drawn as a diamond.
    """
    with sheet(path, 5.6, 5.0) as figure:
        axes = figure.add_axes((0.11, 0.105, 0.86, 0.865))
        curve = np.linspace(0, 1, 201)
        axes.plot(curve, expected_nc(curve), color=VERMILLION, linewidth=1.6, label="expected from GC3s alone (Wright)")
        _draw_dots(axes, gc3s, nc, size_pt=5.0 if len(nc) <= FEW_GENES else 3.0 if len(nc) <= 1500 else 2.2)
        axes.plot([], [], "o", color=DENSITY_RAMP[2], markersize=4, label=notation.count(len(nc), "gene"))
        if pooled:
            style: dict[str, Any] = {"markerfacecolor": "white", "markersize": 8, "markeredgewidth": 1.4}
            axes.plot(*pooled, "D", color=TEXT, label="all genes pooled", **style)
        axes.set(xlim=(0, 1), ylim=NC_AXIS, xlabel="GC3s (fraction of synonymous third positions, 0 to 1)")
        axes.set_ylabel("Nc (effective number of codons)")
        axes.legend(loc="lower right", borderaxespad=0.8)


def _draw_dots(axes: Axes, x: Floats, y: Floats, size_pt: float) -> None:
    """Draw dots as round ends of lines of no length, one path a density: 4,000 genes stay five elements."""
    level = _density_level(x, y) if len(x) > FEW_GENES else np.full(len(x), len(DENSITY_RAMP) // 2)
    for step, color in enumerate(DENSITY_RAMP):
        points = np.column_stack((x, y))[level == step]
        if len(points):
            codes = np.tile([Outline.MOVETO, Outline.LINETO], len(points))
            dots = Outline(np.repeat(points, 2, axis=0), codes)
            patch = PathPatch(dots, facecolor="none", edgecolor=color, linewidth=size_pt, capstyle="round")
            axes.add_artist(patch)


def _density_level(x: Floats, y: Floats) -> NDArray[np.int64]:
    """Return the step of `DENSITY_RAMP` of each dot: halves of the greatest number of dots in 3 by 3 cells."""
    column = np.clip(x * 50, 0, 49).astype(int) + 1
    row = np.clip((y - NC_AXIS[0]) / (NC_AXIS[1] - NC_AXIS[0]) * 50, 0, 49).astype(int) + 1
    cells = np.zeros((52, 52))
    np.add.at(cells, (column, row), 1.0)
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    near = np.sum([np.roll(cells, shift, axis=(0, 1)) for shift in shifts], axis=0)[column, row]
    last = len(DENSITY_RAMP) - 1
    halves: Floats = last + 1 + np.log2(near / near.max())
    return halves.clip(0, last).astype(np.int64)
