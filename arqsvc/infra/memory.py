"""How often Python looks for cycles to collect."""

import gc

YOUNG = 20_000
"""New objects after which the youngest are looked through; Python's own 700 cost a third of the time of short jobs."""


def settle() -> None:
    """Keep what a process has loaded out of every later look, and look less often; called once it is ready to work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
