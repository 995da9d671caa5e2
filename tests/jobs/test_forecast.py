"""Estimates, held against what then happened: queues of jobs of known lengths, replayed in virtual time."""

import heapq
import random
from collections.abc import Callable

import pytest

from arqsvc.jobs.forecast import Line, Spread, left_s, run_s, start_in_s

LENGTHS: dict[str, Callable[[random.Random], float]] = {
    "alike": lambda draw: 10 + draw.random(),
    "spread": lambda draw: draw.lognormvariate(3, 1),
    "of two sorts": lambda draw: 300.0 if draw.random() < 0.1 else 2.0,
}


def starts(lengths: list[float], slots: int) -> list[float]:
    """Return when each job of a queue began, of which all came at the same time."""
    free, begun = [0.0] * slots, []
    for length in lengths:
        begun.append(free[0])
        heapq.heapreplace(free, free[0] + length)
    return begun


def replayed(length: Callable[[random.Random], float], draw: random.Random, *, known: int, slots: int) -> list[bool]:
    """Return whether each job of a queue began by its P90, as that was told at a moment in the life of the queue."""
    history = [length(draw) for _ in range(known)]
    lengths = [length(draw) for _ in range(100)]
    begun = starts(lengths, slots)
    at = begun[20]
    running = [("k", at - start) for start, took in zip(begun, lengths, strict=True) if start <= at < start + took]
    waiting = [start for start in begun if start > at]
    held = []
    for ahead in range(2, len(waiting), 40):
        told = start_in_s(Line({"k": ahead}, running, slots), {"k": history})
        assert told
        assert told.p50 <= told.p90
        held.append(waiting[ahead] - at <= told.p90)
    return held


@pytest.mark.parametrize(
    ("name", "known", "slots"),
    [("alike", 200, 1), ("alike", 5, 1), ("spread", 200, 1), ("of two sorts", 200, 1), ("spread", 200, 4)],
)
def test_most_jobs_begin_by_the_p90_that_was_told(name: str, known: int, slots: int) -> None:
    draw = random.Random(f"{name} {known} {slots}")
    held = [each for _ in range(80) for each in replayed(LENGTHS[name], draw, known=known, slots=slots)]
    assert sum(held) / len(held) >= 0.8


def test_little_known_is_nothing_said() -> None:
    assert run_s([1.0] * 4) is None
    assert run_s([1.0, 1.0, 1.0, 2.0, 9.0]) == Spread(1.0, 9.0)
    assert left_s([1.0, 2.0, 3.0, 4.0, 5.0], 2.0) == Spread(2.0, 3.0)
    assert left_s([1.0, 2.0, 3.0, 4.0, 5.0], 6.0) is None
    known = {"k": [1.0] * 5, "new": [1.0] * 4}
    assert start_in_s(Line({"k": 2}, [], 1), known) == Spread(2.0, 2.0)
    assert start_in_s(Line({"k": 2}, [("k", 0.5)], 1), known) == Spread(2.5, 2.5)
    assert start_in_s(Line({"k": 2, "new": 1}, [], 1), known) is None
    assert start_in_s(Line({"k": 2}, [("new", 0.0)], 1), known) is None
    assert start_in_s(Line({"k": 2}, [], 0), known) is None


def test_a_long_line_is_summed_up() -> None:
    told = start_in_s(Line({"k": 9_000, "l": 999}, [], 3), {"k": [3.0] * 5, "l": [30.0] * 5})
    assert told
    assert told.p50 == pytest.approx((9_000 * 3 + 999 * 30) / 3, rel=0.01)
