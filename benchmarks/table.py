"""Values of several rounds as a table: the median, the least and the most, and how many times the first row's."""

from collections.abc import Mapping, Sequence
from statistics import median

Row = dict[str, float]


def spread(rows: Sequence[Row]) -> Row:
    """Return the median of each column, and beside it the least and the most."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for column, value in row.items():
            values.setdefault(column, []).append(value)
    return {
        name: value
        for column, some in values.items()
        for name, value in ((column, median(some)), (f"{column} least", min(some)), (f"{column} most", max(some)))
    }


def show_table(title: str, rows: Mapping[str, Row], columns: Sequence[str], *, width: int = 36) -> None:
    """Print rows of `spread`: median (least to most), and how many times that is what the first row has."""
    first, names = next(iter(rows.values())), max(26, *(len(name) + 2 for name in rows))
    print(f"\n{title}\n{'':{names}}" + "".join(f"{column:>{width}}" for column in columns))
    for name, row in rows.items():
        print(f"{name:{names}}" + "".join(f"{_cell(row, column, first):>{width}}" for column in columns).rstrip())


def _cell(row: Row, column: str, first: Row) -> str:
    if column not in row:
        return "-"
    digits = 0 if row[column] >= 100 else 1
    value, least, most = (f"{row[name]:,.{digits}f}" for name in (column, f"{column} least", f"{column} most"))
    ratio = f" {row[column] / first[column]:.2f}x" if first.get(column) else ""
    return f"{value} ({least} to {most}){ratio}"
