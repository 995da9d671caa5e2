"""The lines of a GenBank feature table: features, their qualifiers and values.

Lines are found, told apart and matched with the qualifiers that we need by numpy over the whole table, so that Python
runs once a value and not once a line. gb-io 0.4, which reads the same, hands out 87,000 qualifiers of E. coli K-12
one by one (twice to three times slower), takes `order` and `one-of` for `join` and refuses a file for one `gap()`;
the tests hold the two and Biopython to one answer.
"""

import re

import numpy as np

from arqsvc.errors import BadInput
from arqsvc.families.genomes.compute.lines import NEWLINE, QUOTE, SLASH, words_of
from arqsvc.families.genomes.compute.record import Flags, Integers

_KEY_COLUMN = 5
_QUALIFIER_COLUMN = 21
_KEY_WIDTH = _QUALIFIER_COLUMN - _KEY_COLUMN
_SPACE, _EQUALS, _DOT, _CLOSE = b" =.)"
_ZERO = np.uint8(ord("0"))
_WHITE_SPACE = bytes(byte for byte in range(256) if chr(byte).isspace())
_MOST_DIGITS = 12
_COMPLEMENT = "complement("
_KEY_OF_ALL_COLUMNS = re.compile(rf"[^ ]{{{_KEY_WIDTH}}}(?=[<>\d]|[a-z-]+\()")
"""A key that leaves no blank before its location, as Biopython writes `restriction_site` and `regulatory_regio`."""

_QUOTED = re.compile(rb'"[^"]*(?:""[^"]*)*("[ \t]*(?:\n|\Z))?')
_TEXTS_AT_ONCE = 256
"""Stretches of text decoded at once, so that they stay in the cache."""

_OVERHANG_BYTES = 64
"""Text behind the table that may be looked at, for all that is matched at its last line."""


def _word(text: str) -> np.uint64:
    """Return up to eight letters as `words_of` has them."""
    return np.uint64(int.from_bytes(text.encode(), "little"))


_BLANK = _word(" " * 8)
_MARGIN = np.uint64(2 ** (8 * _KEY_COLUMN) - 1)


class FeatureLines:
    """The lines of a feature table that begin a feature or a qualifier, and where each ends.

    Args:
        text: with LF line ends.
        begin: where the lines after FEATURES begin.
        end: where the next section begins.
        marks: every line feed and quotation mark between the two, counted from the first, ascending.
        accession: of the record, for messages.

    Raises:
        BadInput: `malformed_features`, a line that has no place in a feature table.
    """

    def __init__(self, text: bytes, begin: int, end: int, marks: Integers, accession: str) -> None:
        if len(text) < end + _OVERHANG_BYTES:
            text, begin, end = text[begin:end] + b" " * _OVERHANG_BYTES, 0, end - begin
        self.text, self.begin = text, begin
        self.bytes = np.frombuffer(text, np.uint8, offset=begin)
        self.words = words_of(text)[begin:]
        self.ascii = self.bytes[: end - begin].max(initial=0) < 128
        feeds = np.flatnonzero(self.bytes[marks] == NEWLINE)
        ends, quotes = marks[feeds], feeds - np.arange(len(feeds))
        starts, quotes_before = np.append(0, ends[:-1] + 1)[: len(ends)], np.append(0, quotes[:-1])[: len(ends)]
        if (filled := ends > starts).sum() < len(ends):
            starts, ends, quotes, quotes_before = starts[filled], ends[filled], quotes[filled], quotes_before[filled]
        outside = (quotes_before & 1) == 0
        begins_key = outside & (self.bytes[starts + _KEY_COLUMN] != _SPACE) & (ends > starts + _KEY_COLUMN)
        begins_qualifier = outside & ~begins_key & (self.bytes[starts + _QUALIFIER_COLUMN] == SLASH)
        begins_qualifier &= ends > starts + _QUALIFIER_COLUMN
        self._check_layout(starts, ends, begins_key, accession, open_quote=(len(marks) - len(feeds)) % 2 == 1)
        entry = np.flatnonzero(begins_key | begins_qualifier)
        last = np.append(entry[1:], len(starts))[: len(entry)] - 1
        self.start, self.end = starts[entry], ends[last]
        self.many_lines = last > entry
        self.quotes = quotes[last] - quotes_before[entry]
        is_key = begins_key[entry]
        self.keys = np.flatnonzero(is_key)
        self.row = np.cumsum(is_key) - 1
        self.qualifiers = np.flatnonzero(~is_key)
        self.first_letters = self.words[self.start[self.qualifiers] + _QUALIFIER_COLUMN + 1].astype(np.uint32)

    def _check_layout(
        self, starts: Integers, ends: Integers, begins_key: Flags, accession: str, *, open_quote: bool
    ) -> None:
        """Raise BadInput at the first line that is neither a key at column 6 nor indented to column 22."""
        sound = (self.words[starts] & _MARGIN) == (_BLANK & _MARGIN)
        deep = (self.words[starts + 5] == _BLANK) & (self.words[starts + 13] == _BLANK)
        sound &= begins_key | deep | (ends <= starts + _QUALIFIER_COLUMN)
        sound[:1] &= begins_key[:1]
        if sound.all() and not open_quote:
            return
        line = len(starts) - 1 if sound.all() else int(np.argmin(sound))
        odd = self._unquoted(int(ends[-1]))
        if odd is not None and odd < ends[line]:
            line = int(np.searchsorted(starts, odd, "right")) - 1
            fault = "a quotation mark that does not end its value, which begins at"
            advice = "Close the value, and write a mark inside it twice"
        else:
            fault = "a line that is neither a feature key at column 6 nor indented to column 22:"
            advice = "Repair that line"
        [found] = self._texts(starts[[line]], ends[[line]])
        raise BadInput(
            f"The feature table of {accession} has {fault} {found.strip(' ')[:60]!r}. {advice}, "
            "or fetch the record again from its source.",
            reason="malformed_features",
        )

    def _unquoted(self, end: int) -> int | None:
        """Return where the first value opens that does not close at the end of a line."""
        for value in _QUOTED.finditer(self.text, self.begin, self.begin + end + 1):
            if value[1] is None:
                return value.start() - self.begin
        return None

    def features(self) -> tuple[list[str], Integers, dict[int, str]]:
        """Return the key and the place of every feature.

        Returns:
            Keys; (start0, end0, strand) of each feature at one plain range, zeros for the others, int64[n, 3]; and the
            location text of the others by row, white space removed.
        """
        ranges, plain = self._ranges()
        start, end = self.start[self.keys] + _KEY_COLUMN, self.end[self.keys]
        kinds = self._texts(start, np.minimum(start + _KEY_WIDTH, end), without=b" ")
        others = np.flatnonzero(~plain)
        locations: dict[int, str] = {}
        for row, text in zip(others.tolist(), self._texts(start[others], end[others]), strict=True):
            columns = _KEY_OF_ALL_COLUMNS.match(text)
            kinds[row] = columns[0] if columns else text.partition(" ")[0]
            locations[row] = "".join(text[len(kinds[row]) :].split())
        return kinds, ranges, locations

    def _ranges(self) -> tuple[Integers, Flags]:
        """Return (start0, end0, strand) of every feature at `a..b` or `complement(a..b)`; and which these are."""
        start, end = self.start[self.keys], self.end[self.keys]
        is_space = self.bytes[start[:, None] + np.arange(_KEY_COLUMN, _QUALIFIER_COLUMN)] == _SPACE
        plain = (is_space[:, 1:] >= is_space[:, :-1]).all(1) & is_space[:, -1] & ~self.many_lines[self.keys]
        at = start + _QUALIFIER_COLUMN
        reverse = (self.words[at] == _word(_COMPLEMENT[:8])) & (self.words[at + 3] == _word(_COMPLEMENT[3:]))
        reverse &= self.bytes[end - 1] == _CLOSE
        first, dots = self._digits(at + len(_COMPLEMENT) * reverse)
        last, after = self._digits(dots + 2)
        plain &= (first >= 0) & (self.bytes[dots] == _DOT) & (self.bytes[dots + 1] == _DOT)
        plain &= (last >= first) & (after == end - reverse)
        ranges = np.array([first - 1, last, np.where(reverse, -1, 1)]).T * plain[:, None]
        return ranges, plain

    def _digits(self, at: Integers) -> tuple[Integers, Integers]:
        """Return the whole number at each place, -1 without any, and the place after it."""
        begin, number = at, np.zeros(len(at), np.int64)
        for _ in range(_MOST_DIGITS):
            digit = self.bytes[at] - _ZERO
            if not (is_digit := digit < 10).any():
                break
            number = np.where(is_digit, 10 * number + digit, number)
            at = at + is_digit
        return np.where(at > begin, number, -1), at

    def named(self, name: str) -> Integers:
        """Return the entries that are qualifiers of this name of four letters or more, with a value or without."""
        found = self.qualifiers[np.flatnonzero(self.first_letters == np.uint32(_word(name[:4])))]
        at = self.start[found] + _QUALIFIER_COLUMN + 1
        after = self.bytes[at + len(name)]
        same = (after == _EQUALS) | (after == NEWLINE) | (after == _SPACE)
        for place in range(4, len(name), 8):
            letters = name[place : place + 8]
            same &= (self.words[at + place] & np.uint64(2 ** (8 * len(letters)) - 1)) == _word(letters)
        named: Integers = found[same]
        return named

    def numbers(self, name: str, *, absent: int) -> Integers:
        """Return the first value of a qualifier for each feature, -1 where it is no whole number below 100."""
        column = np.full(len(self.keys), absent, np.int64)
        entries = self.named(name)[::-1]
        at = self.start[entries] + _QUALIFIER_COLUMN + len(name) + 2
        at += self.bytes[at] == QUOTE
        number, after = self._digits(at)
        sound = (number >= 0) & (after - at <= 2)
        column[self.row[entries]] = np.where(sound, number, -1)
        return column

    def values(self, entries: Integers, name: str) -> list[str]:
        """Return the value of each entry: unquoted, lines joined by one space, `""` read as one quotation mark."""
        start = self.start[entries] + _QUALIFIER_COLUMN + 1 + len(name) + 1
        end = np.maximum(self.end[entries], start)
        quoted = (self.bytes[start] == QUOTE) & (self.bytes[end - 1] == QUOTE)
        if name == "translation":
            return self._texts(start + quoted, end - quoted, without=_WHITE_SPACE)
        values = self._texts(start + quoted, end - quoted)
        for place in np.flatnonzero((self.quotes[entries] > 2) | self.many_lines[entries] | ~quoted).tolist():
            value = values[place].strip()
            if not quoted[place]:
                value = value.strip('"')
            values[place] = " ".join(value.split()).replace('""', '"')
        return values if self.ascii else [_utf8(value) for value in values]

    def _texts(self, start: Integers, end: Integers, *, without: bytes = b"") -> list[str]:
        """Return stretches of the table as Latin-1, without some letters."""
        texts: list[str] = []
        lows, highs = (start + self.begin).tolist(), (end + self.begin).tolist()
        for first in range(0, len(lows), _TEXTS_AT_ONCE):
            own = slice(first, first + _TEXTS_AT_ONCE)
            stretches = [self.text[low:high] for low, high in zip(lows[own], highs[own], strict=True)]
            texts += b"\0".join(stretches).translate(None, without).decode("latin-1").split("\0")
        return texts


def _utf8(value: str) -> str:
    """Return text that was read as Latin-1 as UTF-8 where it is that."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value
