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
    places = _Places(ranges, others, circle_bp=length_bp if circular else None)
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


class _Places:
    """Where all features lie."""

    def __init__(self, ranges: Integers, others: Mapping[int, str], *, circle_bp: int | None) -> None:
        odd = {row: _split_at_origin(parse_location(text), circle_bp) for row, text in others.items()}
        self.start0, self.end0, self.strand = ranges[:, 0].copy(), ranges[:, 1].copy(), ranges[:, 2].astype(np.int8)
        self.length_bp = self.end0 - self.start0
        counts = np.ones(len(ranges), np.int64)
        self.flags = {name: np.zeros(len(ranges), bool) for name in ("partial5", "partial3", "remote")}
        self.flags["joined"] = np.ones(len(ranges), bool)
        for row, location in odd.items():
            counts[row] = len(location.parts)
            for name, flags in self.flags.items():
                flags[row] = getattr(location, name)
        self.part_offset = np.concatenate(([0], np.cumsum(counts)))
        self.parts = np.repeat(ranges, counts, axis=0)
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
