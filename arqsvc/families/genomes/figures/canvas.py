"""The sheet that every figure is drawn on: one style, one palette, one way to write SVG.

Text is written as outlines of DejaVu Sans, which comes with matplotlib: a figure looks the same on every machine, in
print and offline, and no label runs into another because a font was missing. What a figure says stands as text in
the report beside it. A matplotlibrc of the machine changes nothing.
"""

import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

TEXT = "#1b1f24"
MUTED = "#545c66"
LINE = "#7f8791"
HAIR = "#d5dae0"

# Okabe and Ito's colours as in Wong 2011, doi:10.1038/nmeth.1618; series differ in place, lightness or dash as well.
BLUE = "#0072b2"
ORANGE = "#e69f00"
VERMILLION = "#d55e00"
PURPLE = "#cc79a7"
AMBER = "#8a5a00"  # the orange of words: 5.9 to 1 on white
SKY = "#56b4e9"

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": LINE,
    "axes.labelcolor": TEXT,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "path.simplify": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "arqsvc",
    "text.color": TEXT,
    "xtick.color": LINE,
    "xtick.labelcolor": TEXT,
    "ytick.color": LINE,
    "ytick.labelcolor": TEXT,
}

SQUARE: dict[str, Any] = {"markersize": 7, "markeredgecolor": TEXT, "markeredgewidth": 0.5}
"""How the colour of a kind is shown in a legend."""

Floats = NDArray[np.float64]
Shape = list[tuple[float, float]]
"""The corners of a closed shape."""

_PREAMBLE = re.compile(r"^<\?xml.*?(?=<svg)", re.DOTALL)
_PATH_DATA = re.compile(r' d="([^"]*)"')
_DECIMALS = re.compile(r"(\.\d\d)\d+")


@contextmanager
def sheet(path: Path, width_in: float, height_in: float) -> Iterator[Figure]:
    """Give a figure of this size to draw on, and write it to `path` as SVG: the same drawing, the same bytes."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(width_in, height_in))
        yield figure
        svg = io.StringIO()
        unsigned = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(svg, format="svg", metadata=unsigned)
    path.write_text(compact(svg.getvalue()), encoding="utf-8")


def compact(svg: str) -> str:
    """Return matplotlib's SVG without its preamble, and with coordinates to a hundredth of a point: half the bytes."""
    return _PATH_DATA.sub(_shorter, _PREAMBLE.sub("", svg))


def _shorter(match: re.Match[str]) -> str:
    data = " ".join(_DECIMALS.sub(r"\1", match[1]).split())
    if "Q" not in data and "C" not in data:  # after M, numbers alone mean a line; after a curve they would not
        data = data.replace(" L ", " ")
    return f' d="{data}"'


def bar(start: float, end: float, low: float, high: float, *, head: float = 0.0, corner: float = math.inf) -> Shape:
    """Return a bar from `start` to `end` between two heights.

    Args:
        start: left end.
        end: right end, greater.
        low: lower edge.
        high: upper edge.
        head: length of an arrow head; positive at the right end, negative at the left end; cut to 0.7 of the bar.
        corner: longest straight piece along the bar, so that a bent one stays round.
    """
    most = 0.7 * (end - start)
    head = min(max(head, -most), most)
    left, right = start - min(head, 0.0), end - max(head, 0.0)
    pieces = 1 + int((right - left) / corner)
    along = [left + (right - left) * step / pieces for step in range(pieces + 1)]
    tip = [(end if head > 0 else start, (low + high) / 2)] if head else []
    upper, lower = [(x, high) for x in along], [(x, low) for x in reversed(along)]
    return upper + tip + lower if head > 0 else upper + lower + tip


def fill(
    axes: Axes,
    shapes: Sequence[Shape],
    color: str,
    *,
    bend: Callable[[Floats], Floats] | None = None,
    edge: str = "none",
    width_pt: float = 0.0,
) -> None:
    """Fill closed shapes as one path: thousands of them stay one element of the SVG.

    Args:
        axes: to draw on.
        shapes: in data coordinates, or in those of a flat strip that `bend` takes to them.
        color: of the inside.
        bend: from points (n, 2) to points (n, 2).
        edge: color of the outline.
        width_pt: of the outline.
    """
    if not shapes:
        return
    corners = np.array([corner for shape in shapes for corner in (*shape, shape[0])])
    sizes = np.array([len(shape) + 1 for shape in shapes])
    codes = np.full(len(corners), Outline.LINETO, dtype=Outline.code_type)
    ends = np.cumsum(sizes)
    codes[ends - sizes] = Outline.MOVETO
    codes[ends - 1] = Outline.CLOSEPOLY
    outline = Outline(bend(corners) if bend else corners, codes)
    # add_patch would look at every corner to find limits that are set anyway
    axes.add_artist(PathPatch(outline, facecolor=color, edgecolor=edge, linewidth=width_pt))
