"""Numbers as people read them: grouped digits, a unit, three significant digits, U+202F before units."""

from collections.abc import Sequence

THIN = "\u202f"
UNKNOWN = "–"


def integer(value: int) -> str:
    """Return an integer with its digits in groups of three.

    >>> integer(4641652).replace(THIN, " ")
    '4 641 652'
    """
    return f"{value:,}".replace(",", THIN)


def decimal(value: float | None, digits: int = 2) -> str:
    """Return a number with so many decimals and a true minus sign; a dash where it is not defined.

    >>> decimal(-0.01651, 3), decimal(None)
    ('−0.017', '–')
    """
    return UNKNOWN if value is None else f"{value:.{digits}f}".replace("-", "−")


def percent(fraction: float | None) -> str:
    """Return a fraction in 0..1 as a percentage with one decimal that is 0 or 100 only where the fraction is 0 or 1.

    >>> [percent(x).replace(THIN, " ") for x in (0.5079, 0.38, 0.0003, 0.9998, 1.0)]
    ['50.8 %', '38.0 %', '< 0.1 %', '> 99.9 %', '100 %']
    """
    if fraction is None:
        return UNKNOWN
    if 0 < fraction < 0.0005:
        return f"<{THIN}0.1{THIN}%"
    if 0.9995 <= fraction < 1:
        return f">{THIN}99.9{THIN}%"
    return f"{fraction * 100:.{0 if fraction in (0, 1) else 1}f}{THIN}%"


def bases(value_bp: float | None) -> str:
    """Return a length in whole bp; a dash where there is none.

    >>> bases(5386.4).replace(THIN, " ")
    '5 386 bp'
    """
    return UNKNOWN if value_bp is None else f"{integer(round(value_bp))}{THIN}bp"


def scale(length_bp: int) -> tuple[int, str]:
    """Return the bases in one unit, and the unit, that suit a record of this length.

    >>> scale(4_641_652), scale(154_478), scale(812)
    ((1000000, 'Mb'), (1000, 'kb'), (1, 'bp'))
    """
    if length_bp >= 1_000_000:
        return 1_000_000, "Mb"
    return (1_000, "kb") if length_bp >= 2_000 else (1, "bp")


def length(value_bp: int) -> str:
    """Return a length to three significant digits in bp, kb or Mb.

    >>> [length(x).replace(THIN, " ") for x in (812, 5386, 154478, 4641652)]
    ['812 bp', '5.39 kb', '154 kb', '4.64 Mb']
    """
    unit_bp, unit = scale(value_bp)
    number = value_bp / unit_bp
    digits = 0 if unit == "bp" else max(0, 3 - len(str(int(number))))
    return f"{number:.{digits}f}{THIN}{unit}"


def position(value_bp: int, length_bp: int) -> str:
    """Return a place on a record in the record's unit, to 1 kb where the unit is Mb and to 0.1 kb where it is kb.

    >>> position(3_925_000, 4_641_652).replace(THIN, " "), position(92_300, 154_478).replace(THIN, " ")
    ('3.925 Mb', '92.3 kb')
    """
    unit_bp, unit = scale(length_bp)
    return f"{value_bp / unit_bp:.{ {'Mb': 3, 'kb': 1, 'bp': 0}[unit] }f}{THIN}{unit}"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun.

    >>> count(1, "gene"), count(0, "gene"), count(2, "terminus", "termini")
    ('1 gene', '0 genes', '2 termini')
    """
    return f"{integer(number)} {singular if number == 1 else plural or singular + 's'}"


def label(words: str, most: int = 30) -> str:
    """Return foreign words as a figure can write them: what its font may lack as `?`, no longer than `most` letters.

    >>> label("a\\nb漢"), label("long_locus_tag_0001", 10)
    ('a?b?', 'long_locu…')
    """
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in words)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def listed(items: Sequence[str], last: str = "and") -> str:
    """Return words as an English list.

    >>> listed(["A", "B", "C"]), listed(["A"])
    ('A, B and C', 'A')
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"
