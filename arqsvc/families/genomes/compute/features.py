"""The feature table of a GenBank record, from its lines to columns.

Lines are found, told apart and matched with the qualifiers that we need by numpy over the whole table, so that Python runs once a value and not
once a line. gb-io 0.4, which reads the same, hands out 87,000 qualifiers of E. coli K-12 one by one (three times slower), takes `order`
and `one-of` for `join` and refuses a file for one `gap()`; the tests hold the two and Biopython to one answer.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arqsvc.errors import BadInput
from arqsvc.families.genomes.compute.location import Location, parse_location
from arqsvc.families.genomes.compute.record import Features, Integers

_KEY_COLUMN = 5
_QUALIFIER_COLUMN = 21
_NEWLINE, _SPACE, _QUOTE, _SLASH, _EQUALS = b'\n "/='
_INDENT = "\n" + " " * _QUALIFIER_COLUMN
_VALUES = ("locus_tag", "gene", "product", "protein_id", "translation", "codon_start", "transl_table")
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
        self.bytes = np.frombuffer(table + b"\n" + b" " * 32, np.uint8)
        ends = np.flatnonzero(self.bytes == _NEWLINE)
        starts = np.concatenate(([0], ends[:-1] + 1))
        filled = ends > starts
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
        self.qualifiers = np.flatnonzero(~is_key)
        self.row = np.cumsum(is_key) - 1

    def _check_layout(self, starts: Integers, ends: Integers, begins_key: NDArray[np.bool_], accession: str) -> None:
        """Raise BadInput at the first line that is neither a key at column 6 nor indented to column 22."""
        if len(self.quotes) % 2:
            raise BadInput(
                f"The feature table of {accession} opens a quotation mark that it never closes: "
                "the file is damaged. Fetch it again from its source.",
                reason="malformed_features",
            )
        indented = self.bytes[starts] == _SPACE
        for column in range(1, _KEY_COLUMN):
            indented &= self.bytes[starts + column] == _SPACE
        for column in range(_KEY_COLUMN, _QUALIFIER_COLUMN):
            indented &= begins_key | (self.bytes[starts + column] == _SPACE) | (starts + column >= ends)
        if not indented.all() or (len(starts) and not begins_key[0]):
            line = int(np.argmin(indented)) if not indented.all() else 0
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
        found = self.qualifiers
        at = self.start[found] + _QUALIFIER_COLUMN + 1
        for place, letter in enumerate(name.encode()):
            keep = self.bytes[at + place] == letter
            found, at = found[keep], at[keep]
        after = self.bytes[at + len(name)]
        return found[(after == _EQUALS) | (after == _NEWLINE) | (after == _SPACE)]

    def values(self, entries: Integers, name: str) -> list[str]:
        """Return the value of each entry: unquoted, lines joined by one space, `""` read as one quotation mark."""
        start = self.start[entries] + _QUALIFIER_COLUMN + 1 + len(name) + 1
        end = np.maximum(self.end[entries], start)
        quoted = (self.bytes[start] == _QUOTE) & (self.bytes[end - 1] == _QUOTE)
        start, end = start + quoted, end - quoted
        values = [self.text[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
        if name == "translation":
            return ["".join(value.replace(_INDENT, "").split()) for value in values]
        inner = np.searchsorted(self.quotes, end) > np.searchsorted(self.quotes, start)
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
    columns = {name: _column(lines, name, len(kinds)) for name in _VALUES}
    special = _special(lines)
    pseudo = np.zeros(len(kinds), bool)
    pseudo[[row for row, found in special.items() if "pseudo" in found or "pseudogene" in found]] = True
    return _features(
        kinds,
        [parse_location(text) for text in texts],
        columns,
        special,
        pseudo,
        length_bp if circular else None,
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


def _features(
    kinds: list[str],
    locations: list[Location],
    columns: dict[str, list[str | None]],
    special: dict[int, dict[str, tuple[str, ...]]],
    pseudo: NDArray[np.bool_],
    circle_bp: int | None,
) -> Features:
    if circle_bp is not None:
        locations = [_split_at_origin(location, circle_bp) for location in locations]
    counts = np.array([len(location.parts) for location in locations], np.int64)
    offset = np.concatenate(([0], np.cumsum(counts)))
    parts = np.array([part for location in locations for part in location.parts], np.int64).reshape(-1, 3)
    start0, end0, strand, length_bp = _spans(parts, offset, circle_bp)
    return Features(
        kind=tuple(kinds),
        start0=start0,
        end0=end0,
        strand=strand,
        length_bp=length_bp,
        part_offset=offset,
        part_start0=parts[:, 0],
        part_end0=parts[:, 1],
        part_strand=parts[:, 2].astype(np.int8),
        partial5=np.array([location.partial5 for location in locations], bool),
        partial3=np.array([location.partial3 for location in locations], bool),
        remote=np.array([location.remote for location in locations], bool),
        joined=np.array([location.joined for location in locations], bool),
        pseudo=pseudo,
        codon_start=_numbers(columns["codon_start"], absent=1).astype(np.int8),
        transl_table=_numbers(columns["transl_table"], absent=0).astype(np.int16),
        locus_tag=tuple(columns["locus_tag"]),
        gene=tuple(columns["gene"]),
        product=tuple(columns["product"]),
        protein_id=tuple(columns["protein_id"]),
        translation=tuple(columns["translation"]),
        special=special,
    )


def _numbers(values: Sequence[str | None], *, absent: int) -> Integers:
    """Return small whole numbers; what is no number, or too large for one, as absent."""
    small = {str(number): number for number in range(100)}
    return np.array([absent if value is None else small.get(value, absent) for value in values], np.int64)


def _split_at_origin(location: Location, circle_bp: int) -> Location:
    """Return a location whose parts that end before they begin (`4900..100`) are two, over the end of the circle."""
    if all(start0 < end0 or start0 >= circle_bp for start0, end0, _ in location.parts):
        return location
    parts: list[tuple[int, int, int]] = []
    for start0, end0, strand in location.parts:
        if start0 <= end0 or start0 >= circle_bp:
            parts.append((start0, end0, strand))
        else:
            parts += [(start0, circle_bp, strand), (0, end0, strand)][::strand]
    return Location(tuple(parts), location.partial5, location.partial3, location.remote, location.joined)


def _spans(
    parts: Integers, offset: Integers, circle_bp: int | None
) -> tuple[Integers, Integers, NDArray[np.int8], Integers]:
    """Return outer start and end, strand and nucleotides of each feature."""
    counts = np.diff(offset)
    start0, end0, strand, length = (np.zeros(len(counts), np.int64) for _ in range(4))
    single = counts == 1
    first = offset[:-1][single]
    start0[single], end0[single], strand[single] = parts[first].T
    length[single] = end0[single] - start0[single]
    for row in np.flatnonzero(counts > 1):
        own = parts[offset[row] : offset[row + 1]]
        length[row] = (own[:, 1] - own[:, 0]).sum()
        if (own[:, 2] == own[0, 2]).all():
            strand[row] = own[0, 2]
            own = _unrolled(own[:: strand[row]], circle_bp)
        start0[row], end0[row] = own[:, 0].min(), own[:, 1].max()
    return start0, end0, strand.astype(np.int8), length


def _unrolled(parts: Integers, circle_bp: int | None) -> Integers:
    """Return parts of the forward strand with those past the origin of the circle moved behind its end."""
    back = np.flatnonzero(np.diff(parts[:, 0]) < 0)
    if circle_bp is None or len(back) != 1:
        return parts
    moved = parts.copy()
    moved[back[0] + 1 :, :2] += circle_bp
    return moved
