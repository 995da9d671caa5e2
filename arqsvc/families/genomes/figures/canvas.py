"""The sheet that every figure is drawn on: one style, one palette, one way to write SVG.

Text is written as outlines of DejaVu Sans, which comes with matplotlib: a figure looks the same on every machine, in
print and offline, and no label runs into another because a font was missing. What a figure says stands as text in
the report beside it. A matplotlibrc of the machine changes nothing.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

TEXT = "#1b1f24"
MUTED = "#545c66"
LINE = "#7f8791"
HAIR = "#d5dae0"

# Okabe and Ito's colours as in Wong 2011, doi:10.1038/nmeth.1618; beside a hue two series always differ in place, lightness or dash.
BLUE = "#0072b2"
ORANGE = "#e69f00"
GREEN = "#009e73"
VERMILLION = "#d55e00"
PURPLE = "#cc79a7"
AMBER = "#8a5a00"  # the orange of words: 5.9 to 1 on white
SKY = "#56b4e9"

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": LINE,
    "axes.labelcolor": TEXT,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "grid.color": HAIR,
    "grid.linewidth": 0.6,
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
