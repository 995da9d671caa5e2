"""What a child process does: in a module of its own, which loads in no time."""

import os
import time
from pathlib import Path

TAKES_S = 0.25


def write_slowly(path: Path, n: int) -> None:
    """Write a number, and who wrote it, after a quarter of a second."""
    time.sleep(TAKES_S)
    path.write_text(f"{n} of {os.getpid()}")
