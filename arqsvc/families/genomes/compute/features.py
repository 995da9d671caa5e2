"""The feature table of a GenBank record, from its lines to columns.

Lines are found, told apart and matched with the qualifiers that we need by numpy over the whole table, so that Python
runs once a value and not once a line. gb-io 0.4, which reads the same, hands out 87,000 qualifiers of E. coli K-12
one by one (twice to three times slower), takes `order` and `one-of` for `join` and refuses a file for one `gap()`;
the tests hold the two and Biopython to one answer.
"""

import numpy as np
from numpy.typing import NDArray

from arqsvc.errors import BadInput
from arqsvc.families.genomes.compute.lines import words_of
from arqsvc.families.genomes.compute.location import Location, parse_location
from arqsvc.families.genomes.compute.record import Features, Integers

_KEY_COLUMN = 5
_QUALIFIER_COLUMN = 21
_BLANK = np.uint64(int.from_bytes(b" " * 8, "little"))
_MARGIN = np.uint64(2 ** (8 * _KEY_COLUMN) - 1)
_NEWLINE, _SPACE, _QUOTE, _SLASH, _EQUALS = b'\n "/='
_INDENT = "\n" + " " * _QUALIFIER_COLUMN
_VALUES = ("locus_tag", "gene", "product", "protein_id", "translation")
_PSEUDO = {"pseudo", "pseudogene"}
_SPECIAL = (
    "artificial_location",
    "exception",
    "pseudo",
    "pseudogene",
    "ribosomal_slippage",
    "trans_splicing",
    "transl_except",
)


class _Table:
    """The lines of a feature table that begin a feature or a qualifier, and where each ends."""

    def __init__(self, table: bytes, accession: str) -> None:
        self.ascii = table.isascii()
        self.text = table.decode("latin-1")
        padded = (table if table.endswith(b"\n") else table + b"\n") + b" " * 64
        self.bytes = np.frombuffer(padded, np.uint8)
        self.words = words_of(padded)
        ends = np.flatnonzero(self.bytes == _NEWLINE)
        starts = np.concatenate(([0], ends[:-1] + 1))
        if (filled := ends > starts).sum() < len(ends):
            starts, ends = starts[filled], ends[filled]
        self.quotes = np.flatnonzero(self.bytes == _QUOTE)
        outside = (np.searchsorted(self.quotes, starts) & 1) == 0
        begins_key = outside & (self.bytes[starts + _KEY_COLUMN] != _SPACE)
        begins_qualifier = outside & ~begins_key & (self.bytes[starts + _QUALIFIER_COLUMN] == _SLASH)
        self._check_layout(starts, ends, begins_key, accession)
        entry = np.flatnonzero(begins_key | begins_qualifier)
        self.start = starts[entry]
        self.end = ends[np.append(entry[1:] - 1, len(ends) - 1)] if len(entry) else entry
        self.many_lines = np.diff(np.append(entry, len(starts))) > 1
        is_key = begins_key[entry]
        self.keys = np.flatnonzero(is_key)
        self.row = np.cumsum(is_key) - 1
        self.qualifiers = np.flatnonzero(~is_key)
        self.names = self.words[self.start[self.qualifiers] + _QUALIFIER_COLUMN + 1]

    def _check_layout(self, starts: Integers, ends: Integers, begins_key: NDArray[np.bool_], accession: str) -> None:
        """Raise BadInput at the first line that is neither a key at column 6 nor indented to column 22."""
        if len(self.quotes) % 2:
            raise BadInput(
                f"The feature table of {accession} opens a quotation mark that it never closes: "
                "the file is damaged. Fetch it again from its source.",
                reason="malformed_features",
            )
        sound = (self.words[starts] & _MARGIN) == (_BLANK & _MARGIN)
        deep = (self.words[starts + 5] == _BLANK) & (self.words[starts + 13] == _BLANK)
        sound &= begins_key | deep | (ends <= starts + _QUALIFIER_COLUMN)
        if len(starts) and not (begins_key[0] and sound.all()):
            line = int(np.argmin(sound)) if begins_key[0] else 0
            found = self.text[starts[line] : ends[line]]
            raise BadInput(
                f"The feature table of {accession} has a line that is neither a feature key at column 6 nor indented "
                f"to column 22: {found[:60]!r}. Repair that line, or fetch the record again from its source.",
                reason="malformed_features",
            )

    def locations(self) -> tuple[list[str], list[str]]:
        """Return the key and the location text of every feature."""
        kinds, locations = [], []
        starts, ends = (self.start[self.keys] + _KEY_COLUMN).tolist(), self.end[self.keys].tolist()
        for start, end in zip(starts, ends, strict=True):
            kind, _, location = self.text[start:end].partition(" ")
            kinds.append(kind)
            locations.append("".join(location.split()))
        return kinds, locations

    def named(self, name: str) -> Integers:
        """Return the entries that are qualifiers of this name, with a value or without."""
        letters = name.encode()[:8]
        mask = np.uint64(2 ** (8 * len(letters)) - 1)
        found = self.qualifiers[(self.names & mask) == int.from_bytes(letters, "little")]
        at = self.start[found] + _QUALIFIER_COLUMN + 1
        for place, letter in enumerate(name.encode()[8:], 8):
            keep = self.bytes[at + place] == letter
            found, at = found[keep], at[keep]
        after = self.bytes[at + len(name)]
        named: Integers = found[(after == _EQUALS) | (after == _NEWLINE) | (after == _SPACE)]
        return named

    def numbers(self, name: str, *, absent: int) -> Integers:
        """Return the first value of a qualifier for each feature, a whole number below 100; anything else is absent."""
        column = np.full(len(self.keys), absent, np.int64)
        entries = self.named(name)[::-1]
        at = self.start[entries] + _QUALIFIER_COLUMN + len(name) + 2
        at += self.bytes[at] == _QUOTE
        tens, ones = (self.bytes[at + place].astype(np.int64) - ord("0") for place in (0, 1))
        single = (ones < 0) | (ones > 9)
        sound = (tens >= 0) & (tens <= 9) & (single | (self.bytes[at + 2] < ord("0")) | (self.bytes[at + 2] > ord("9")))
        value = np.where(single, tens, 10 * tens + ones)
        column[self.row[entries[sound]]] = value[sound]
        return column

    def values(self, entries: Integers, name: str) -> list[str]:
        """Return the value of each entry: unquoted, lines joined by one space, `""` read as one quotation mark."""
        start = self.start[entries] + _QUALIFIER_COLUMN + 1 + len(name) + 1
        end = np.maximum(self.end[entries], start)
        quoted = (self.bytes[start] == _QUOTE) & (self.bytes[end - 1] == _QUOTE)
        start, end = start + quoted, end - quoted
        values = [self.text[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
        if name == "translation":
            return ["".join(value.replace(_INDENT, "").split()) for value in values]
        inner = np.array(['"' in value for value in values], bool)
        for place in np.flatnonzero(inner | self.many_lines[entries] | ~quoted):
            value = values[place].strip()
            if not quoted[place]:
                value = value.strip('"')
            values[place] = " ".join(value.split()).replace('""', '"')
        return values if self.ascii else [_utf8(value) for value in values]


def _utf8(value: str) -> str:
    """Return text that was read as Latin-1 as UTF-8 where it is that."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


def read_features(table: bytes, *, accession: str, length_bp: int, circular: bool) -> Features:
    """Return the features of a table.

    Args:
        table: the lines after FEATURES and before the next section, line ends LF.
        accession: of the record, for messages.
        length_bp: of the record.
        circular: whether `4900..100` and a join over the end go on at the beginning.

    Raises:
        BadInput: `malformed_features`, a line that has no place in a feature table.
    """
    lines = _Table(table, accession)
    kinds, texts = lines.locations()
    places = _Places(texts, circle_bp=length_bp if circular else None)
    columns = {name: tuple(_column(lines, name, len(kinds))) for name in _VALUES}
    special = _special(lines)
    return Features(
        kind=tuple(kinds),
        start0=places.start0,
        end0=places.end0,
        strand=places.strand,
        length_bp=places.length_bp,
        part_offset=places.part_offset,
        part_start0=places.parts[:, 0],
        part_end0=places.parts[:, 1],
        part_strand=places.parts[:, 2].astype(np.int8),
        partial5=places.flags["partial5"],
        partial3=places.flags["partial3"],
        remote=places.flags["remote"],
        joined=places.flags["joined"],
        pseudo=np.isin(np.arange(len(kinds)), [row for row in special if _PSEUDO & special[row].keys()]),
        codon_start=lines.numbers("codon_start", absent=1).clip(1, 3).astype(np.int8),
        transl_table=lines.numbers("transl_table", absent=0).astype(np.int16),
        locus_tag=columns["locus_tag"],
        gene=columns["gene"],
        product=columns["product"],
        protein_id=columns["protein_id"],
        translation=columns["translation"],
        special=special,
    )


def _column(lines: _Table, name: str, rows: int) -> list[str | None]:
    """Return the first value of a qualifier for each feature, None where it has none."""
    column: list[str | None] = [None] * rows
    entries = lines.named(name)[::-1]
    for row, value in zip(lines.row[entries].tolist(), lines.values(entries, name), strict=True):
        column[row] = value
    return column


def _special(lines: _Table) -> dict[int, dict[str, tuple[str, ...]]]:
    """Return the rare qualifiers by feature and name."""
    special: dict[int, dict[str, tuple[str, ...]]] = {}
    for name in _SPECIAL:
        entries = lines.named(name)
        for row, value in zip(lines.row[entries].tolist(), lines.values(entries, name), strict=True):
            found = special.setdefault(row, {})
            found[name] = (*found.get(name, ()), value)
    return special


class _Places:
    """Where all features lie, from the texts of their locations."""

    def __init__(self, texts: list[str], *, circle_bp: int | None) -> None:
        start0, end0, strand = [0] * len(texts), [0] * len(texts), [0] * len(texts)
        odd: dict[int, Location] = {}
        for row, text in enumerate(texts):
            reverse = text.startswith("complement(") and text.endswith(")")
            first, _, last = (text[11:-1] if reverse else text).partition("..")
            plain = first.isdecimal() and last.isdecimal() and len(first) <= len(last) < 13
            if plain and (start := int(first)) <= (end := int(last)):
                start0[row], end0[row], strand[row] = start - 1, end, -1 if reverse else 1
            else:
                odd[row] = _split_at_origin(parse_location(text), circle_bp)
        self.start0, self.end0 = np.array(start0, np.int64), np.array(end0, np.int64)
        self.strand = np.array(strand, np.int8)
        self.length_bp = self.end0 - self.start0
        counts = np.ones(len(texts), np.int64)
        self.flags = {name: np.zeros(len(texts), bool) for name in ("partial5", "partial3", "remote")}
        self.flags["joined"] = np.ones(len(texts), bool)
        for row, location in odd.items():
            counts[row] = len(location.parts)
            for name, flags in self.flags.items():
                flags[row] = getattr(location, name)
        self.part_offset = np.concatenate(([0], np.cumsum(counts)))
        self.parts = np.repeat(np.array([start0, end0, strand], np.int64).T, counts, axis=0)
        for row, location in odd.items():
            if location.parts:
                own = np.array(location.parts, np.int64)
                self.parts[self.part_offset[row] : self.part_offset[row + 1]] = own
                self.length_bp[row] = (own[:, 1] - own[:, 0]).sum()
                self._span(row, own, circle_bp)

    def _span(self, row: int, parts: Integers, circle_bp: int | None) -> None:
        """Set outer start and end and the strand of a feature of odd parts."""
        if (parts[:, 2] == parts[0, 2]).all():
            self.strand[row] = parts[0, 2]
            parts = _unrolled(parts[:: parts[0, 2]], circle_bp)
        self.start0[row], self.end0[row] = parts[:, 0].min(), parts[:, 1].max()


def _split_at_origin(location: Location, circle_bp: int | None) -> Location:
    """Return a location whose parts that end before they begin (`4900..100`) are two, over the end of the circle."""
    if circle_bp is None or all(start0 <= end0 or start0 >= circle_bp for start0, end0, _ in location.parts):
        return location
    parts: list[tuple[int, int, int]] = []
    for start0, end0, strand in location.parts:
        if start0 <= end0 or start0 >= circle_bp:
            parts.append((start0, end0, strand))
        else:
            parts += [(start0, circle_bp, strand), (0, end0, strand)][::strand]
    return Location(tuple(parts), location.partial5, location.partial3, location.remote, location.joined)


def _unrolled(parts: Integers, circle_bp: int | None) -> Integers:
    """Return parts of the forward strand with those past the origin of the circle moved behind its end."""
    back = np.flatnonzero(np.diff(parts[:, 0]) < 0)
    if circle_bp is None or len(back) != 1:
        return parts
    moved = parts.copy()
    moved[back[0] + 1 :, :2] += circle_bp
    return moved
