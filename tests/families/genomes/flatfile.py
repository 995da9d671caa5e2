"""Small GenBank records for tests."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

Feature = tuple[str, str] | tuple[str, str, Sequence[str]]


def record(
    sequence: str,
    *features: Feature,
    name: str = "AB000001",
    topology: str = "linear",
    length: int | None = None,
    header: str = "",
) -> str:
    """Return one record; a feature is (key, location, qualifiers without the slash)."""
    lines = [
        f"LOCUS       {name} {len(sequence) if length is None else length} bp    DNA     {topology} BCT 01-JAN-2020",
        "DEFINITION  Test record.",
        f"ACCESSION   {name}",
        f"VERSION     {name}.1",
        "FEATURES             Location/Qualifiers",
    ]
    for feature in features:
        lines.append(f"     {feature[0]:<15} {feature[1]}")
        lines += [f"                     /{qualifier}" for qualifier in (feature[2] if len(feature) == 3 else ())]
    lines.append("ORIGIN")
    for start in range(0, len(sequence), 60):
        lines.append(f"{start + 1:>9} " + " ".join(wrap(sequence[start : start + 60].lower(), 10)))
    return header + "\n".join([*lines, "//", ""])


def written(folder: Path, *texts: str | bytes) -> Path:
    """Return the path of a file with these records."""
    path = folder / "test.gb"
    path.write_bytes(b"".join(text.encode() if isinstance(text, str) else text for text in texts))
    return path
