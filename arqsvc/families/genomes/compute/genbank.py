"""A GenBank flat file, plain or gzip, read into records; what is no sound GenBank file is refused with a reason.

Every refusal is `BadInput` with `reason`, a stable word:

    not_a_file            a folder, a device, or nothing there
    empty                 no bytes, or white space alone
    broken_gzip           gzip that does not decompress: cut short, damaged, or followed by something else
    wrong_compression     zip, bzip2, xz or Zstandard
    too_large             more bytes than the limit, after decompression
    binary                bytes that no text has
    wrong_encoding        UTF-16 or UTF-32
    fasta gff embl fastq xml html json asn1      another format
    not_genbank           text that does not begin with LOCUS
    malformed_locus       a LOCUS line without name, length or unit
    protein               a GenPept record
    contig_only           CONTIG in place of sequence
    no_sequence           no ORIGIN
    malformed_sequence    a character that is no nucleotide
    malformed_features    a line that has no place in a feature table
    truncated             the last record has no terminator `//`
    length_mismatch       LOCUS promises another length
    trailing_content      text after the last terminator
    duplicate_record      two records of one name
"""

import re
from gzip import BadGzipFile
from os import SEEK_END
from pathlib import Path
from typing import NoReturn

import numpy as np
from isal import igzip, igzip_lib

from arqsvc.errors import BadInput
from arqsvc.families.genomes.compute.features import read_features
from arqsvc.families.genomes.compute.lines import Outline, line_at, line_end
from arqsvc.families.genomes.compute.record import Nucleotides, Record
from arqsvc.families.genomes.compute.table import FeatureLines

LIMIT_BYTES = 1024**3
"""Default ceiling of the text, after decompression: eighty bacterial genomes.

Measuring one long record takes five times its text at the peak (189 MB: 0.9 GB). Many short records take 20 kB each
beside that, and 80 kB with the report.
"""

_CHUNK_BYTES = 4 * 1024**2
_USUAL_RATIO = 32
"""No GenBank text is packed better; a trailer that promises more is not believed."""

_SEQUENCE_CHUNK_BYTES = 1 << 18
"""Text of the sequence translated at once, so that it stays in the cache."""

_ILLEGAL = 255
_LOCUS = re.compile(r"LOCUS +(\S+) +(\d{1,12}) +(bp|aa|rc)\b(.*)", re.IGNORECASE)
_LOCUS_RUN_TOGETHER = re.compile(r"LOCUS +(\S*\d) +(bp|aa|rc)\b(.*)", re.IGNORECASE)
_MOLECULE = re.compile(r"\b((?:[sdm]s-)?(?:[a-z]{1,3})?[DR]NA)\b", re.IGNORECASE)


def _nucleotide_table() -> bytes:
    """Return the translation of ASCII letters to the integers of `Record.nucleotides`."""
    table = bytearray([_ILLEGAL] * 256)
    for number, letters in enumerate(("TU", "C", "A", "G", "N", "RYSWKMBDHVX")):
        for letter in letters + letters.lower():
            table[ord(letter)] = number
    return bytes(table)


_NUCLEOTIDE = _nucleotide_table()
_NO_LETTERS = b"0123456789 \n\t"
"""What stands between the letters of a sequence."""


def read_records(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> list[Record]:
    """Return the records of a GenBank file in their order, at least one.

    Reads a byte order mark, CR LF and CR line ends, lower and upper case, several gzip members. Holds the text in
    memory, at the peak twice.

    Args:
        path: `.gb`, `.gbk`, `.gbff`, plain or gzip, told apart by content.
        limit_bytes: most bytes of text, after decompression; reading stops there.

    Raises:
        BadInput: see the list above.
    """
    text = _normalised(_text(path, limit_bytes))
    records: list[Record] = []
    names: set[str] = set()
    at = 0
    while at < len(text):
        _refuse_unless_locus(text, at, records)
        outline = Outline(text, at)
        if outline.end < 0:
            _refuse_unfinished(line_at(text, at), records)
        record = _read_record(text, outline, at, number=len(records) + 1)
        if record.accession in names:
            _refuse(
                f"Two records of the file are called {record.accession}. Give every record an accession of its own.",
                "duplicate_record",
            )
        names.add(record.accession)
        records.append(record)
        at = _skip_blank(text, line_end(text, outline.end))
    return records


def _refuse(detail: str, reason: str) -> NoReturn:
    raise BadInput(detail, reason=reason)


def _text(path: Path, limit_bytes: int) -> bytes:
    """Return the bytes of a file, decompressed, never more than the limit."""
    if not path.is_file():
        _refuse("This is no file. Give the path of one GenBank file.", "not_a_file")
    with path.open("rb") as file:
        magic = file.read(6)
    if magic[:2] == b"\x1f\x8b":
        return _inflated(path, limit_bytes)
    for start, name in _COMPRESSIONS.items():
        if magic.startswith(start):
            _refuse(f"The file is {name}. Unpack it, or pack it with gzip.", "wrong_compression")
    size = path.stat().st_size
    if size > limit_bytes:
        _refuse_size(f"The file has {size:,} bytes", limit_bytes)
    return path.read_bytes()


_COMPRESSIONS = {
    b"PK\x03\x04": "a zip archive",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard",
}


def _inflated(path: Path, limit_bytes: int) -> bytes:
    """Return what a gzip file holds, all members; a bomb is left at the limit."""
    chunks: list[bytes] = []
    size = 0
    try:
        with igzip.open(path) as stream:  # type: ignore[no-untyped-call]
            while chunk := stream.read(_CHUNK_BYTES if chunks else _promised_bytes(path, limit_bytes)):
                chunks.append(chunk)
                size += len(chunk)
                if size > limit_bytes:
                    _refuse_size("The file decompresses to more", limit_bytes)
    except (EOFError, igzip_lib.IsalError, BadGzipFile) as fault:  # type: ignore[misc]
        raise BadInput(
            f"The gzip file cannot be decompressed to its end: {fault}. It was cut short or damaged, or something "
            "else follows it; fetch it again and compare its checksum.",
            reason="broken_gzip",
        ) from fault
    return b"".join(chunks)


def _promised_bytes(path: Path, limit_bytes: int) -> int:
    """Return one byte more than a gzip file of one member says that it holds, so that one read takes it all."""
    with path.open("rb") as file:
        packed = file.seek(0, SEEK_END)
        file.seek(-min(packed, 4), SEEK_END)
        promised = int.from_bytes(file.read(4), "little")
    return min(promised, limit_bytes, _USUAL_RATIO * packed) + 1


def _refuse_size(found: str, limit_bytes: int) -> NoReturn:
    raise BadInput(
        f"{found} than the {limit_bytes:,} bytes allowed. Split the file by record, or raise the limit."
        if found.endswith("more")
        else f"{found}; the limit is {limit_bytes:,} bytes. Split the file by record, or raise the limit.",
        reason="too_large",
        limit_bytes=limit_bytes,
    )


def _normalised(text: bytes) -> bytes:
    """Return GenBank text with LF line ends, beginning with LOCUS; anything else is refused."""
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        _refuse("The file is UTF-16 or UTF-32. Save it as plain text (UTF-8).", "wrong_encoding")
    text = text.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not text[:16].startswith(b"LOCUS"):
        text = text.lstrip()
    if not text:
        _refuse("The file is empty. Fetch the record again from its source.", "empty")
    if b"\0" in text:
        _refuse(
            f"The file holds binary data (a NUL at byte {text.index(0)}), not text. Give a GenBank flat file.", "binary"
        )
    if b"LOCUS".startswith(text.rstrip()):
        _refuse("The file ends inside the first word of its LOCUS line. It was cut short; fetch it again.", "truncated")
    if not re.match(rb"LOCUS[ \t]", text):
        _refuse_format(text)
    return text


_FORMATS: tuple[tuple[str, str, str], ...] = (
    ("html", r"<!doctype html|<html|<head|<body", "an HTML page, probably an error page of a web site"),
    ("xml", r"<", "XML"),
    ("fasta", r">", "FASTA: it has sequence and no annotation"),
    ("gff", r"##gff|#!gff|(?:[^\t\n]*\t){8}", "GFF: it has annotation and no sequence"),
    ("embl", r"ID   ", "EMBL"),
    ("fastq", r"@[^\n]*\n[A-Za-z.*]+\n\+", "FASTQ: it has reads and no annotation"),
    ("asn1", r"[A-Z][A-Za-z-]+ ?::=", "ASN.1"),
    ("json", r"[{\[]", "JSON"),
)


def _refuse_format(text: bytes) -> NoReturn:
    """Raise BadInput that names what the file is instead of GenBank."""
    head = text[:4096].decode("latin-1")
    if any(ord(letter) < 32 and letter not in "\t\n\f\x1b" for letter in head):
        _refuse("The file holds binary data, not text. Give a GenBank flat file.", "binary")
    first = head.split("\n", 1)[0][:60]
    for reason, pattern, found in _FORMATS:
        if re.match(pattern, head, re.IGNORECASE if reason == "html" else 0):
            _refuse(
                f"This is {found}. Give the GenBank flat file of the record, sequence and annotation together "
                "(at NCBI: Send to, GenBank (full); with efetch: rettype=gbwithparts).",
                reason,
            )
    advice = (
        "Remove the lines before LOCUS" if re.search(r"^LOCUS ", head, re.MULTILINE) else "Give a GenBank flat file"
    )
    _refuse(f"A GenBank file begins with LOCUS; this one begins with {first!r}. {advice}.", "not_genbank")


def _skip_blank(text: bytes, at: int) -> int:
    while text[at : at + 1] in (b"\n", b" ", b"\t"):
        at += 1
    return at


def _refuse_unless_locus(text: bytes, at: int, before: list[Record]) -> None:
    """Raise BadInput where what follows a terminator is no record."""
    if before and not text.startswith(b"LOCUS", at) and not b"LOCUS".startswith(text[at : at + 5]):
        found = line_at(text, at)[:60].decode("utf-8", "replace")
        _refuse(
            f"After the end of record {before[-1].accession} the file goes on with {found!r}. "
            "Remove what follows the // line.",
            "trailing_content",
        )


def _refuse_unfinished(first: bytes, before: list[Record]) -> NoReturn:
    """Raise BadInput for a record without its terminator."""
    match = _LOCUS.match(first.decode("latin-1"))
    promised = f"; LOCUS promises {int(match[2]):,} {match[3]}" if match else ""
    _refuse(
        f"The file ends in the middle of its record {len(before) + 1}, without the terminator //{promised}. "
        "It was cut short; fetch it again.",
        "truncated",
    )


def _read_record(text: bytes, outline: Outline, at: int, *, number: int) -> Record:
    """Return the record between its LOCUS line and its terminator, the one of this number in the file."""
    name, promised, rest = _locus(line_at(text, at))
    _refuse_without_origin(outline, name)
    table = outline.find(b"FEATURES")
    header = text[at : outline.origin if table < 0 else table].decode("utf-8", "replace")
    nucleotides = _nucleotides(text, line_end(text, outline.origin), outline.end, name)
    if promised is None and name.endswith(str(len(nucleotides))):
        name = name.removesuffix(str(len(nucleotides)))
    elif promised != len(nucleotides):
        found = "another length" if promised is None else f"{promised:,} nucleotides"
        _refuse(
            f"LOCUS of {name} promises {found} and {len(nucleotides):,} follow. "
            "The record is incomplete or was edited; fetch it again.",
            "length_mismatch",
        )
    accession = _accession(header, name) or f"record {number}"
    circular = re.search(r"\bcircular\b", rest, re.IGNORECASE) is not None
    molecule = _MOLECULE.search(rest)
    begin = outline.origin if table < 0 else line_end(text, table) + 1
    after = outline.section_from(begin)
    lines = FeatureLines(text, begin, after, outline.marks_between(begin, after), accession)
    return Record(
        accession=accession,
        definition=_section(header, "DEFINITION").removesuffix(".").rstrip(),
        organism=_organism(header),
        molecule_type=molecule[1] if molecule else "",
        circular=circular,
        nucleotides=nucleotides,
        features=read_features(lines, length_bp=len(nucleotides), circular=circular),
    )


def _locus(first: bytes) -> tuple[str, int | None, str]:
    """Return name, promised length and the rest of LOCUS; the length is None where it runs into the name."""
    line = first.decode("utf-8", "replace")
    if match := _LOCUS.match(line):
        name, promised, unit, rest = match[1], int(match[2]), match[3], match[4]
    elif match := _LOCUS_RUN_TOGETHER.match(line):
        name, promised, unit, rest = match[1], None, match[2], match[3]
    else:
        _refuse(
            f"LOCUS must give name, length and unit (`LOCUS       AB000001  1234 bp`); found {line[:80]!r}. "
            "Repair the line.",
            "malformed_locus",
        )
    if unit.lower() == "rc":
        _refuse(
            f"{name} is a master record that only counts others (length in rc). Fetch the records it names.",
            "no_sequence",
        )
    if unit.lower() == "aa":
        _refuse(
            f"{name} is a protein record (GenPept, length in {unit}). Give the nucleotide record that codes for it.",
            "protein",
        )
    return name, promised, rest


def _refuse_without_origin(outline: Outline, name: str) -> None:
    """Raise BadInput for a record that has no sequence."""
    if outline.origin < 0 and outline.find(b"CONTIG") >= 0:
        _refuse(
            f"{name} says where its sequence is (CONTIG) and holds none. Fetch it with rettype=gbwithparts, "
            "or at NCBI as GenBank (full).",
            "contig_only",
        )
    if outline.origin < 0:
        _refuse(f"{name} has no sequence (no ORIGIN). Fetch the full record.", "no_sequence")


def _nucleotides(text: bytes, begin: int, end: int, name: str) -> Nucleotides:
    """Return the nucleotides of the lines after ORIGIN as integers."""
    codes = np.empty(end - begin, np.uint8)
    size = 0
    for low in range(begin, end, _SEQUENCE_CHUNK_BYTES):
        letters = text[low : min(low + _SEQUENCE_CHUNK_BYTES, end)].translate(_NUCLEOTIDE, _NO_LETTERS)
        codes[size : size + len(letters)] = np.frombuffer(letters, np.uint8)
        size += len(letters)
    codes = codes[:size]
    if size == 0:
        _refuse(f"{name} has an empty sequence. Fetch the full record.", "no_sequence")
    if codes.max() == _ILLEGAL:
        place = int(np.argmax(codes == _ILLEGAL))
        letters = text[begin:end].translate(None, _NO_LETTERS)
        _refuse(
            f"The sequence of {name} has {chr(letters[place])!r} at position {place + 1:,}, no nucleotide code. "
            "Repair the sequence, or fetch the record again.",
            "malformed_sequence",
        )
    return codes


def _section(header: str, keyword: str) -> str:
    """Return a section of the header, its lines joined; empty where absent."""
    match = re.search(rf"^{keyword}\b *(.*(?:\n {{3,}}.*)*)", header, re.MULTILINE)
    return " ".join(match[1].split()) if match else ""


def _accession(header: str, name: str) -> str:
    """Return the first word of VERSION, else of ACCESSION, else LOCUS's name; empty where all are absent or unknown."""
    for text in (_section(header, "VERSION"), _section(header, "ACCESSION"), name):
        words = text.split()
        if words and words[0].lower() not in (".", "unknown", "<unknown"):
            return words[0]
    return ""


def _organism(header: str) -> str:
    """Return the first line of ORGANISM; empty where absent or a dot."""
    match = re.search(r"^ +ORGANISM +(.*)", header, re.MULTILINE)
    return match[1].strip() if match and match[1].strip() != "." else ""
