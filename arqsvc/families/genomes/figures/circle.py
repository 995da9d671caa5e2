"""A circular record on paper: base 1 at the top, clockwise; the geometry that the skew plot and the gene map share.

Radii are in units of the backbone circle, which is 1. Angles are fractions of a turn.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from arqsvc.families.genomes.figures import notation
from arqsvc.families.genomes.figures.canvas import LINE, MUTED, TEXT, Floats

STEP_TURN = 1 / 180
"""Longest straight piece of an arc, in turns: 2 degrees, 0.015 % off the true circle."""


def disc(figure: Figure, reach: float) -> Axes:
    """Return axes without frame over the whole figure, from the middle of the circle `reach` radii to each side."""
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    return axes


def on_circle(turns: Floats, radii: Floats | float) -> Floats:
    """Return points, shape (n, 2), at these turns and radii."""
    angle = 2 * np.pi * turns
    return np.column_stack((radii * np.sin(angle), radii * np.cos(angle)))


def bent(strip: Floats) -> Floats:
    """Return a flat strip's points, (turn, radius), as points on paper; shape (n, 2)."""
    return on_circle(strip[:, 0], strip[:, 1])


def draw_name(axes: Axes, name: str, length_bp: int) -> None:
    """Write the record's name and length in the middle."""
    axes.text(0, 0.05, notation.label(name), ha="center", va="center", fontsize=10, fontweight="bold", parse_math=False)
    axes.text(0, -0.05, notation.bases(length_bp), ha="center", va="center", fontsize=9, color=MUTED)


def write_corner(axes: Axes, top: bool, lines: Sequence[tuple[str, str, bool]]) -> None:
    """Write lines of text, color and whether bold into the upper or the lower left corner."""
    for row, (words, color, bold) in enumerate(lines):
        y = 0.98 - 0.025 * row if top else 0.02 + 0.025 * (len(lines) - 1 - row)
        weight = "bold" if bold else "normal"
        side = "top" if top else "bottom"
        axes.text(0.02, y, words, color=color, va=side, fontsize=8, fontweight=weight, transform=axes.transAxes)


def draw_ring(axes: Axes, radius: float, color: str = LINE, width_pt: float = 0.8) -> None:
    """Draw a whole circle."""
    x, y = on_circle(np.linspace(0, 1, 361), radius).T
    axes.plot(x, y, color=color, linewidth=width_pt, zorder=0.5)


def draw_scale(axes: Axes, length_bp: int, radius: float, inward: bool = False, taken: Sequence[float] = ()) -> None:
    """Draw a circle with at most twelve ticks, labelled in Mb, kb or bp except near turns that are taken."""
    draw_ring(axes, radius, color=TEXT, width_pt=1.0)
    unit_bp, unit = notation.scale(length_bp)
    step_bp = tick_step(length_bp, 12)
    side = -1 if inward else 1
    for place_bp in range(0, length_bp - step_bp // 2, step_bp):
        turn = np.array([place_bp / length_bp])
        (x0, y0), (x1, y1) = on_circle(turn, radius)[0], on_circle(turn, radius + side * 0.02)[0]
        axes.plot([x0, x1], [y0, y1], color=TEXT, linewidth=0.8)
        if near(place_bp / length_bp, taken, 0.02):
            continue
        x, y = on_circle(turn, radius + side * 0.075)[0]
        label = f"{place_bp / unit_bp:g}" if place_bp else f"0{notation.THIN}{unit}"
        axes.text(x, y, label, ha="center", va="center", fontsize=7.5, color=MUTED)


def near(turn: float, others: Sequence[float], least: float) -> bool:
    """Return whether a turn is less than `least` from any other, either way round.

    >>> near(0.99, [0.01], 0.03), near(0.99, [0.5], 0.03)
    (True, False)
    """
    return any(abs((turn - other + 0.5) % 1 - 0.5) < least for other in others)


def tick_step(length_bp: int, most: int) -> int:
    """Return the least of 1, 2, 5, 10, 20, 50 ... bp that cuts a length into at most so many pieces.

    >>> tick_step(4_641_652, 12), tick_step(5_386, 12), tick_step(1, 12)
    (500000, 500, 1)
    """
    steps: Iterator[int] = (m * 10**e for e in range(12) for m in (1, 2, 5) if length_bp <= most * m * 10**e)
    return next(steps)
