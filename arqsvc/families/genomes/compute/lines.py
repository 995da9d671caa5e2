"""Where the sections of GenBank text begin, found by one look at all line beginnings."""

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

SECTIONS = ("FEATURES", "ORIGIN", "CONTIG")


def words_of(text: bytes) -> NDArray[np.uint64]:
    """Return the eight bytes from every place of a text but the last seven, little-endian; nothing is copied."""
    return np.ndarray((max(len(text) - 7, 0),), np.dtype("<u8"), text, strides=(1,))


class Lines:
    """Line beginnings of GenBank text with LF line ends, as far as they tell its sections.

    Holds 8 bytes a line while it is made, and next to nothing after.
    """

    def __init__(self, text: bytes) -> None:
        letters = np.frombuffer(text, np.uint8)
        starts = np.flatnonzero(letters == ord("\n")) + 1
        first = letters[starts[starts < len(text)]]
        starts = starts[: len(first)]
        self.sections = starts[(first >= ord("A")) & (first <= ord("Z"))].tolist()
        """Beginning of every line that begins with a capital letter."""
        self.ends = [at for at in starts[first == ord("/")].tolist() if line_at(text, at).rstrip() == b"//"]
        """Beginning of every line that is a terminator."""
        self._named = {word: [at for at in self.sections if text.startswith(word.encode(), at)] for word in SECTIONS}

    def find(self, word: str, low: int, high: int) -> int:
        """Return where the first section of a name in `SECTIONS` begins between two places, -1 without any."""
        return _first(self._named[word], low, high)

    def next_section(self, low: int, high: int) -> int:
        """Return where the first section of any name begins between two places, `high` without any."""
        found = _first(self.sections, low, high)
        return high if found < 0 else found


def _first(places: list[int], low: int, high: int) -> int:
    at = bisect_left(places, low)
    return places[at] if at < len(places) and places[at] < high else -1


def line_at(text: bytes, at: int) -> bytes:
    """Return the line that begins at a place, without its end."""
    return text[at : line_end(text, at)]


def line_end(text: bytes, at: int) -> int:
    """Return where the line that holds a place ends: its line feed, or the end of the text."""
    end = text.find(b"\n", at)
    return len(text) if end < 0 else end
