"""How far a job is, as a bar in a notebook; elsewhere nothing."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import Any

Draw = Callable[[Mapping[str, Any]], None]


@contextmanager
def bar(what: str) -> Iterator[Draw]:
    """Show a bar of something for the block; it is given the events of a job, or what looks like these."""
    display = _notebook()
    if display is None:
        yield lambda event: None
        return
    shown = display.display(display.HTML(_drawn(what, "queued", 0.0)), display_id=True)
    state, fraction, step = "queued", 0.0, ""

    def draw(event: Mapping[str, Any]) -> None:
        nonlocal state, fraction, step
        data = event["data"]
        state, step = data.get("state", state), data.get("step", step)
        fraction = 1.0 if state == "succeeded" else data.get("fraction", fraction)
        words = f"{state}: {step}" if state == "running" and step else state
        shown.update(display.HTML(_drawn(what, words, fraction)))

    yield draw


def _notebook() -> Any:
    """Return IPython's display where this runs in a kernel, which has a page to draw on."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython import display  # type: ignore[import-not-found]  # it is there where a kernel is

    return display


def _drawn(what: str, words: str, fraction: float) -> str:
    return (
        f'<progress value="{fraction:.3f}" max="1" style="width: 20em" aria-label="{escape(what)}"></progress> '
        f"<span>{fraction:.0%} {escape(words)}</span>"
    )
