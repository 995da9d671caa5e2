"""Feature locations of the INSDC feature table, from text to parts in the order of transcription.

Grammar: The DDBJ/ENA/GenBank Feature Table Definition, section 3.4.
"""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"(complement\()?(<?)(\d{1,12})\.\.(>?)(\d{1,12})(\))?")
_GREATEST = 10**12
"""Beyond it a position is no position, and no 64-bit integer soon."""

_OPERATOR = re.compile(r"(complement|join|order|bond|one-of|gap)\(")
_REMOTE = re.compile(r"[A-Za-z][\w.|-]*:")
_POSITION = re.compile(r"([<>]?)(?:one-of\((\d+(?:,\d+)*)\)|\((\d+\.\d+)\)|(\d+\.\d+)|(\d+))")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a feature lies: parts as (start0, end0, strand), zero-based half-open, in the order of transcription."""

    parts: tuple[tuple[int, int, int], ...]
    """Empty where all lies in other records, or the text is no location."""

    partial5: bool = False
    partial3: bool = False
    remote: bool = False
    joined: bool = True
    """The parts make one molecule; False for `order`, `one-of`, `bond`, `a^b` and what is no location."""


def parse_location(text: str) -> Location:
    """Return the parts that a location names; without any part where the text is no location.

    >>> parse_location("complement(join(1..3,7..>9))")
    Location(parts=((6, 9, -1), (0, 3, -1)), partial5=True, partial3=False, remote=False, joined=True)
    """
    if (match := _RANGE.fullmatch(text)) and (match[1] is None) == (match[6] is None):
        start0, end0 = int(match[3]) - 1, int(match[5])
        if match[1]:
            return Location(((start0, end0, -1),), bool(match[4]), bool(match[2]))
        return Location(((start0, end0, 1),), bool(match[2]), bool(match[4]))
    reader = _Reader(text)
    try:
        spans = reader.spans()
    except (ValueError, RecursionError):
        return Location((), joined=False)
    if reader.rest():
        return Location((), joined=False)
    parts = tuple((span.start0, span.end0, span.strand) for span in spans)
    partial5, partial3 = (spans[0].open5, spans[-1].open3) if spans else (False, False)
    return Location(parts, partial5, partial3, reader.remote, reader.joined)


@dataclass(frozen=True, slots=True)
class _Span:
    start0: int
    end0: int
    strand: int
    open5: bool
    open3: bool

    def reversed(self) -> "_Span":
        return _Span(self.start0, self.end0, -self.strand, self.open3, self.open5)


class _Reader:
    """Reads one location from the left; what it cannot read raises ValueError."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.remote = False
        self.joined = True

    def rest(self) -> str:
        return self.text[self.at :]

    def spans(self) -> list[_Span]:
        match = _OPERATOR.match(self.text, self.at)
        if match is None or self._is_position():
            return self._span()
        self.at = match.end()
        if match[1] == "gap":
            self.at = self.text.index(")", self.at) + 1
            return []
        if match[1] in ("order", "bond", "one-of"):
            self.joined = False
        spans = self.spans()
        while self._take(","):
            spans += self.spans()
        if not self._take(")"):
            raise ValueError(self.rest())
        return [span.reversed() for span in reversed(spans)] if match[1] == "complement" else spans

    def _is_position(self) -> bool:
        match = _POSITION.match(self.text, self.at)
        return match is not None and self.text.startswith("..", match.end())

    def _span(self) -> list[_Span]:
        remote = _REMOTE.match(self.text, self.at)
        if remote:
            self.at = remote.end()
            self.remote = True
        first, open_left = self._position(lowest=True)
        start0, end0, open_right = first - 1, first, False
        if self._take(".."):
            end0, open_right = self._position(lowest=False)
        elif self._take("^"):
            self._position(lowest=False)
            start0, self.joined = end0, False
        return [] if remote else [_Span(start0, end0, 1, open_left, open_right)]

    def _position(self, *, lowest: bool) -> tuple[int, bool]:
        match = _POSITION.match(self.text, self.at)
        if match is None:
            raise ValueError(self.rest())
        self.at = match.end()
        choices = [int(digits) for digits in re.findall(r"\d+", match[0])]
        if max(choices) > _GREATEST:
            raise ValueError(match[0])
        return min(choices) if lowest else max(choices), bool(match[1])

    def _take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False
