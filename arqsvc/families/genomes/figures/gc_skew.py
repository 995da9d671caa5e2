"""GC skew along a record: (G - C)/(G + C) of each window, and its running sum, with the origin and the terminus marked.

Lobry 1996, doi:10.1093/oxfordjournals.molbev.a025626; Grigoriev 1998, doi:10.1093/nar/26.10.2286.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from arqsvc.families.genomes.compute.measurements import Skew
from arqsvc.families.genomes.figures import circle, notation
from arqsvc.families.genomes.figures.canvas import (
    AMBER,
    BLUE,
    HAIR,
    LINE,
    MUTED,
    ORANGE,
    TEXT,
    VERMILLION,
    Floats,
    bar,
    fill,
    sheet,
)

MOST_STEPS = 900
"""Steps drawn at most: finer ones would be under half a point wide; the numbers keep every window."""

WINDOWS_RING = (0.83, 0.13)
RUNNING_RING = (0.52, 0.14)
"""Radius of the middle of a ring, and half its width."""

LABEL_TURN = 0.075
"""Least distance of two labels."""

MARK_DASHES = {"origin": "-", "terminus": (0, (3, 2))}


def draw_circular(path: Path, skew: Skew, name: str, length_bp: int) -> None:
    """Draw a circular record: windowed skew on the outer ring, running sum on the inner one."""
    with sheet(path, 6.4, 6.4) as figure:
        axes = circle.disc(figure, 1.42)
        places = marks(skew)
        taken = [place_bp / length_bp for _, place_bp in places]
        circle.draw_scale(axes, length_bp, 1.0, taken=taken)
        level_turn = 0.5 if circle.near(0.0, taken, 0.04) else 0.0
        _draw_windows_ring(axes, skew, length_bp, level_turn)
        _draw_running_ring(axes, skew, length_bp, level_turn)
        for (mark, place_bp), label in zip(places, _labels_apart(places, length_bp), strict=True):
            _draw_mark(axes, mark, place_bp, length_bp, label)
        circle.draw_name(axes, name, length_bp)
        steps = f"(G − C)/(G + C), {_kb(step_bp(skew))} steps"
        outer = [("Outer ring: GC skew", TEXT, True), (steps, MUTED, False)]
        sides = [("outward, blue: G > C", BLUE, False), ("inward, amber: C > G", AMBER, False)]
        circle.write_corner(axes, True, outer + sides)
        windows = f"running sum of {_kb(skew.window_bp)} windows"
        circle.write_corner(axes, False, [("Inner ring: cumulative skew", TEXT, True), (windows, MUTED, False)])


def draw_linear(path: Path, skew: Skew, name: str, length_bp: int) -> None:
    """Draw a linear record: windowed skew above, running sum below, on one axis of places."""
    unit_bp, unit = notation.scale(length_bp)
    with sheet(path, 7.2, 4.0) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        figure.subplots_adjust(left=0.125, right=0.975, top=0.92, bottom=0.12, hspace=0.16)
        edges, means = _steps(skew)
        for sign, color, words in ((1, BLUE, "G > C"), (-1, ORANGE, "C > G")):
            upper.stairs(np.where(means * sign > 0, means, 0), edges / unit_bp, fill=True, color=color, label=words)
        upper.axhline(0, color=LINE, linewidth=0.8)
        top = _reach(means)
        levels = [-top, -top / 2, 0, top / 2, top]
        upper.set_yticks(levels, [f"{level:g}".replace("-", "−") for level in levels])
        upper.set(ylim=(-top, top), ylabel="GC skew\n(G − C)/(G + C)")
        upper.set_title(f"{notation.label(name)}, {_kb(step_bp(skew))} steps", loc="left", fontsize=9, parse_math=False)
        upper.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.98), borderaxespad=0)
        places, sums = _running(skew)
        lower.plot(places / unit_bp, sums, color=TEXT, linewidth=1.1)
        lower.axhline(0, color=LINE, linewidth=0.8)
        lower.set(ylabel=f"Cumulative skew\n({_kb(skew.window_bp)} windows)", xlabel=f"Position ({unit})")
        lower.set_xlim(0, length_bp / unit_bp)
        figure.align_ylabels()


def marks(skew: Skew) -> tuple[tuple[str, int], ...]:
    """Return the names and places in bp of what is marked: origin and terminus, where the record has them."""
    places = (("origin", skew.origin_bp), ("terminus", skew.terminus_bp))
    return tuple((name, place_bp) for name, place_bp in places if place_bp is not None)


def step_bp(skew: Skew) -> int:
    """Return the width of a drawn step: as many whole windows as keep the steps under `MOST_STEPS`."""
    return skew.window_bp * _windows_a_step(skew)


def _windows_a_step(skew: Skew) -> int:
    return -(-len(skew.skew) // MOST_STEPS)


def _steps(skew: Skew) -> tuple[Floats, Floats]:
    """Return the edges of the drawn steps in bp, shape (m + 1,), and the mean skew of each, shape (m,)."""
    windows = len(skew.skew)
    starts = np.arange(0, windows, _windows_a_step(skew))
    edges = np.append(starts, windows)
    return edges.astype(np.float64) * skew.window_bp, np.add.reduceat(skew.skew, starts) / np.diff(edges)


def _running(skew: Skew) -> tuple[Floats, Floats]:
    """Return places in bp, shape (m + 1,), and the running sum there, from 0 at the first base on."""
    edges, _ = _steps(skew)
    last = (edges[1:] / skew.window_bp).astype(int) - 1
    return edges, np.append(0.0, skew.cumulative[last])


def _draw_windows_ring(axes: Axes, skew: Skew, length_bp: int, level_turn: float) -> None:
    middle, half = WINDOWS_RING
    edges, means = _steps(skew)
    top = _reach(means)
    for level in (-1, 1):
        circle.draw_ring(axes, middle + level * half, color=HAIR, width_pt=0.6)
    turns, tops = edges / length_bp, middle + half * means / top
    for sign, color in ((1, BLUE), (-1, ORANGE)):
        shown = np.flatnonzero(means * sign > 0)
        steps = [bar(turns[i], turns[i + 1], middle, tops[i], corner=circle.STEP_TURN) for i in shown]
        fill(axes, steps, color, bend=circle.bent)
    circle.draw_ring(axes, middle, width_pt=0.6)
    for level in (-1, 1):
        _write_level(axes, level_turn, middle + level * half, level * top)


def _draw_running_ring(axes: Axes, skew: Skew, length_bp: int, level_turn: float) -> None:
    middle, half = RUNNING_RING
    places, sums = _running(skew)
    low, high = float(sums.min()), float(sums.max())
    turns = np.union1d(places / length_bp, np.arange(0, places[-1] / length_bp, circle.STEP_TURN))
    sums = np.interp(turns, places / length_bp, sums)
    radii = middle - half + 2 * half * (sums - low) / ((high - low) or 1.0)
    for radius in (middle - half, middle + half):
        circle.draw_ring(axes, radius, color=HAIR, width_pt=0.6)
    x, y = circle.on_circle(turns, radii).T
    axes.plot(x, y, color=TEXT, linewidth=1.1)
    _write_level(axes, level_turn, middle - half, low)
    _write_level(axes, level_turn, middle + half, high)


def _write_level(axes: Axes, turn: float, radius: float, level: float) -> None:
    x, y = circle.on_circle(np.array([turn]), radius)[0]
    plate = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
    words = f"{level:+.3g}".replace("-", "−") if level else "0"
    axes.text(x, y, words, ha="center", va="center", fontsize=6.5, color=MUTED, bbox=plate)


def _labels_apart(places: Sequence[tuple[str, int]], length_bp: int) -> list[float]:
    """Return the turns of the labels: those of the marks, a pair that is too near moved apart.

    >>> [round(turn, 3) for turn in _labels_apart([("origin", 990), ("terminus", 0)], 1000)]
    [0.958, 0.032]
    """
    turns = [place_bp / length_bp for _, place_bp in places]
    if len(turns) == 2:
        ahead = (turns[1] - turns[0] + 0.5) % 1 - 0.5
        push = max(0.0, LABEL_TURN - abs(ahead)) / 2 * (1 if ahead >= 0 else -1)
        turns = [turns[0] - push, turns[1] + push]
    return turns


def _draw_mark(axes: Axes, mark: str, place_bp: int, length_bp: int, label: float) -> None:
    turn = place_bp / length_bp
    x, y = circle.on_circle(np.array([turn, turn, label]), np.array([0.34, 1.05, 1.12])).T
    axes.plot(x, y, color=VERMILLION, linewidth=1.4, linestyle=MARK_DASHES[mark])
    (left, up), words = circle.on_circle(np.array([label]), 1.14)[0], notation.position(place_bp, length_bp)
    side = "center" if abs(left) < 0.35 else "left" if left > 0 else "right"
    level = "bottom" if up > 0.5 else "top" if up < -0.5 else "center"
    style: dict[str, Any] = {"color": VERMILLION, "fontweight": "bold", "fontsize": 8.5}
    axes.text(left, up, f"{mark}\n{words}", ha=side, va=level, linespacing=1.15, **style)


def _reach(means: Floats) -> float:
    """Return the outer level of the scale: the least of a few round ones that holds all steps."""
    most = float(np.abs(means).max())
    return next(level for level in (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0) if most <= level)


def _kb(size_bp: int) -> str:
    return f"{size_bp / 1000:g}{notation.THIN}kb"
