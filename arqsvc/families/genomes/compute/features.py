"""The feature table of a GenBank record as columns, a row a feature."""

from collections.abc import Mapping

import numpy as np

from arqsvc.families.genomes.compute.location import Location, parse_location
from arqsvc.families.genomes.compute.record import Features, Integers
from arqsvc.families.genomes.compute.table import FeatureLines

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


def read_features(lines: FeatureLines, *, length_bp: int, circular: bool) -> Features:
    """Return the features of a table.

    Args:
        lines: of the table.
        length_bp: of the record.
        circular: whether `4900..100` and a join over the end go on at the beginning.
    """
    kinds, ranges, others = lines.features()
    places = _Places(ranges, others, length_bp=length_bp, circular=circular)
    columns = {name: tuple(_column(lines, name, len(kinds))) for name in _VALUES}
    special = _special(lines)
    codon_start, transl_table = lines.numbers("codon_start", absent=1), lines.numbers("transl_table", absent=0)
    _add_unusable(special, lines, "codon_start", codon_start, greatest=3)
    _add_unusable(special, lines, "transl_table", transl_table, greatest=99)
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
        codon_start=codon_start.clip(1, 3).astype(np.int8),
        transl_table=transl_table.clip(0).astype(np.int16),
        locus_tag=columns["locus_tag"],
        gene=columns["gene"],
        product=columns["product"],
        protein_id=columns["protein_id"],
        translation=columns["translation"],
        special=special,
        unsound=places.written,
    )


def _column(lines: FeatureLines, name: str, rows: int) -> list[str | None]:
    """Return the first value of a qualifier for each feature, None where it has none."""
    column = np.full(rows, None, object)
    entries = lines.named(name)[::-1]
    column[lines.row[entries]] = lines.values(entries, name)
    values: list[str | None] = column.tolist()
    return values


def _special(lines: FeatureLines) -> dict[int, dict[str, tuple[str, ...]]]:
    """Return the rare qualifiers by feature and name."""
    special: dict[int, dict[str, tuple[str, ...]]] = {}
    for name in _SPECIAL:
        entries = lines.named(name)
        for row, value in zip(lines.row[entries].tolist(), lines.values(entries, name), strict=True):
            found = special.setdefault(row, {})
            found[name] = (*found.get(name, ()), value)
    return special


def _add_unusable(
    special: dict[int, dict[str, tuple[str, ...]]], lines: FeatureLines, name: str, numbers: Integers, *, greatest: int
) -> None:
    """Add a qualifier of features where its value is no number from 1 to the greatest."""
    entries = lines.named(name)
    row = lines.row[entries]
    wrong = entries[(numbers[row] < 1) | (numbers[row] > greatest)]
    for unusable, value in zip(lines.row[wrong].tolist(), lines.values(wrong, name), strict=True):
        special.setdefault(unusable, {})[name] = (value,)


class _Places:
    """Where all features lie, as far as that is in the record; `written` has the locations that are not sound."""

    def __init__(self, ranges: Integers, others: Mapping[int, str], *, length_bp: int, circular: bool) -> None:
        self.circle_bp = length_bp if circular else None
        odd = {row: _split_at_origin(parse_location(text), self.circle_bp) for row, text in others.items()}
        self.start0, self.end0, self.strand = ranges[:, 0].copy(), ranges[:, 1].copy(), ranges[:, 2].astype(np.int8)
        counts = np.ones(len(ranges), np.int64)
        self.flags = {name: np.zeros(len(ranges), bool) for name in ("partial5", "partial3", "remote")}
        self.flags["joined"] = np.ones(len(ranges), bool)
        for row, location in odd.items():
            counts[row] = len(location.parts)
            for name, flags in self.flags.items():
                flags[row] = getattr(location, name)
            if len(strands := {strand for _, _, strand in location.parts}) == 1:
                self.strand[row] = strands.pop()
        self.row = np.repeat(np.arange(len(ranges)), counts)
        self.parts = np.repeat(ranges, counts, axis=0)
        own = np.isin(self.row, list(odd))
        self.parts[own] = np.array([part for row in sorted(odd) for part in odd[row].parts], np.int64).reshape(-1, 3)
        self.written = {row: text for row, text in others.items() if not counts[row] and not odd[row].remote}
        changed = self._keep_what_is_here(others, length_bp)
        self.part_offset = np.searchsorted(self.row, np.arange(len(ranges) + 1))
        length = np.append(0, np.cumsum(self.parts[:, 1] - self.parts[:, 0]))
        self.length_bp = np.diff(length[self.part_offset])
        for feature in changed | odd.keys():
            self._span(feature)

    def _keep_what_is_here(self, others: Mapping[int, str], length_bp: int) -> set[int]:
        """Cut parts off at the ends of the record, and drop those that run backwards; return the features changed."""
        start0, end0 = self.parts[:, 0], self.parts[:, 1]
        empty = (end0 < start0) | ((end0 == start0) & self.flags["joined"][self.row])
        wrong = (start0 < 0) | (end0 > length_bp) | empty
        for part in np.flatnonzero(wrong).tolist():
            begin, end, strand = self.parts[part].tolist()
            text = f"{begin + 1}..{end}" if strand > 0 else f"complement({begin + 1}..{end})"
            self.written[int(self.row[part])] = others.get(int(self.row[part]), text)
        changed = set(self.row[wrong].tolist())
        if changed:
            self.parts[:, :2] = self.parts[:, :2].clip(0, length_bp)
            kept = ~wrong | (self.parts[:, 1] > self.parts[:, 0])
            self.row, self.parts = self.row[kept], self.parts[kept]
        return changed

    def _span(self, row: int) -> None:
        """Set outer start and end of a feature of odd parts; zeros without any."""
        parts = self.parts[self.part_offset[row] : self.part_offset[row + 1]]
        if len(parts) == 0:
            self.start0[row], self.end0[row] = 0, 0
            return
        if self.strand[row]:
            parts = _unrolled(parts[:: self.strand[row]], self.circle_bp)
        self.start0[row], self.end0[row] = parts[:, 0].min(), parts[:, 1].max()


def _split_at_origin(location: Location, circle_bp: int | None) -> Location:
    """Return a location whose parts that end before they begin (`4900..100`) are two, over the end of the circle."""
    if circle_bp is None:
        return location
    parts: list[tuple[int, int, int]] = []
    for start0, end0, strand in location.parts:
        if start0 + location.joined <= end0 or start0 >= circle_bp:
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
