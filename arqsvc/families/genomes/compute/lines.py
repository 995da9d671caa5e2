"""Where the sections of a GenBank record begin, found by one look at what stands before its sequence."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from arqsvc.families.genomes.compute.record import Integers

NEWLINE, QUOTE, SLASH = b'\n"/'
_FIRST_CHUNK_BYTES = 1 << 14
"""Text looked at first: little, for the sake of many short records."""

_CHUNK_BYTES = 1 << 18
"""Text looked at at once, so that it stays in the cache."""


def words_of(text: bytes) -> NDArray[np.uint64]:
    """Return the eight bytes from every place of a text but the last seven, little-endian; nothing is copied."""
    return np.ndarray((max(len(text) - 7, 0),), np.dtype("<u8"), text, strides=(1,))


class Outline:
    """Where one record of a text with LF line ends has its sections, its sequence and its end; -1 is nowhere.

    Holds 8 bytes a line and a quotation mark of what stands before the sequence.
    """

    def __init__(self, text: bytes, at: int) -> None:
        self.text = text
        self.sections: list[int] = []
        """Beginning of every line up to ORIGIN that begins with a capital letter, the first line left out."""
        self.origin = -1
        self.end = -1
        """Beginning of the first line that is a terminator."""
        chunks: list[Integers] = []
        for marks, heads in _chunks(text, at):
            chunks.append(marks)
            if self._read(heads):
                break
        self.marks: Integers = np.concatenate(chunks)
        """Every line feed and quotation mark up to ORIGIN, and some beyond, ascending."""

    def _read(self, heads: list[int]) -> bool:
        """Take in lines that begin with a capital letter or a slash; return whether sequence or end is reached."""
        for start in heads:
            if self.text[start] != SLASH:
                self.sections.append(start)
                if self.text.startswith(b"ORIGIN", start):
                    self.origin, self.end = start, _terminator(self.text, start)
                    return True
            elif _is_terminator(self.text, start):
                self.end = start
                return True
        return False

    def find(self, word: bytes) -> int:
        """Return where the first section of this name begins, up to ORIGIN."""
        return next((start for start in self.sections if self.text.startswith(word, start)), -1)

    def section_from(self, place: int) -> int:
        """Return where the first section from a place on begins."""
        return next(start for start in self.sections if start >= place)

    def marks_between(self, low: int, high: int) -> Integers:
        """Return the line feeds and quotation marks between two places before ORIGIN, counted from the first."""
        marks: Integers = self.marks[slice(*np.searchsorted(self.marks, [low, high]).tolist())] - low
        return marks


def _chunks(text: bytes, at: int) -> Iterator[tuple[Integers, list[int]]]:
    """Yield line feeds and quotation marks, and the lines that begin with a capital letter or a slash, on and on."""
    letters = np.frombuffer(text, np.uint8)
    size = _FIRST_CHUNK_BYTES
    while at < len(text):
        chunk = letters[at : at + size]
        marks = np.flatnonzero((chunk == NEWLINE) | (chunk == QUOTE)) + at
        starts = marks[np.flatnonzero(letters[marks] == NEWLINE)] + 1
        first = letters[starts[starts < len(text)]]
        heads = ((first >= ord("A")) & (first <= ord("Z"))) | (first == SLASH)
        yield marks, starts[: len(first)][heads].tolist()
        at += size
        size = min(2 * size, _CHUNK_BYTES)


def _terminator(text: bytes, at: int) -> int:
    """Return where the first terminator after a place begins; a sequence has next to no slash."""
    while (at := text.find(b"/", at + 1)) >= 0:
        if text[at - 1] == NEWLINE and _is_terminator(text, at):
            return at
    return -1


def _is_terminator(text: bytes, at: int) -> bool:
    return line_at(text, at).rstrip() == b"//"


def line_at(text: bytes, at: int) -> bytes:
    """Return the line that begins at a place, without its end."""
    return text[at : line_end(text, at)]


def line_end(text: bytes, at: int) -> int:
    """Return where the line that holds a place ends: its line feed, or the end of the text."""
    end = text.find(b"\n", at)
    return len(text) if end < 0 else end
