"""Whether a downloaded file is whole: GenBank flat files and FASTA, plain or gzip, in memory of constant size.

What is wrong is `BadInput` with one of the words of `genbank.py` as its `reason`, or `malformed_header`; for FASTA one
of these: `empty`, `broken_gzip`, `binary`, `no_sequence`, `malformed_header`, `malformed_sequence`, or the format that
it is.
Its message says what is wrong and not what to do, which the download knows.

Annotation is not looked into, and no name is held against another: both are for the analysis, and neither is a fault of
the transfer.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from gzip import BadGzipFile
from io import BufferedReader
from pathlib import Path
from textwrap import shorten
from typing import NoReturn

from isal import igzip, igzip_lib

from arqsvc.errors import BadInput
from arqsvc.families.genomes.compute.sniff import DESCRIPTIONS, SNIFFED_BYTES, sniff

NAMES_KEPT = 100
"""Accessions that `Verified` holds at most."""

_BUFFER_BYTES = 256 * 1024
_LINE_BYTES = 64 * 1024
"""No line of a flat file is as long as this."""

_NAME_BYTES = 100
_SHOWN_CHARACTERS = 60

_SPACE, _SLASH, _NUL, _MORE = b" /\0>"
_LOCUS = re.compile(rb"LOCUS +(\S{1,%d}) +(\d{1,12}) +(bp|aa|rc)\b" % _NAME_BYTES, re.IGNORECASE)
_SECTION = re.compile(rb"[A-Z][A-Z_]*")
_LINE_ENDS = b"\r\n"
_NUMBERING = b"0123456789 \t" + _LINE_ENDS
_NUCLEOTIDES = b"ACGTURYSWKMBDHVNXacgturyswkmbdhvnx"


@dataclass(frozen=True, slots=True)
class Verified:
    """What a whole file holds."""

    records: int
    """How many records, 1 or more."""

    length_bp: int
    """Nucleotides of all of them."""

    accessions: tuple[str, ...]
    """`ACCESSION.VERSION` of each, in their order, at most `NAMES_KEPT`; for FASTA the first words."""

    also: frozenset[str]
    """Accessions without version that the first record answers to, secondary ones included; empty for FASTA."""


def verify_genbank(path: Path) -> Verified:
    """Return what a GenBank flat file holds if each record has its LOCUS, its promised nucleotides and its `//`.

    Raises:
        BadInput: it is not whole, or not this.
    """
    records = length_bp = 0
    accessions: list[str] = []
    also: frozenset[str] = frozenset()
    with _opened(path, "genbank") as reader:
        lines = _lines(reader)
        while first := _next_line(lines):
            name, version, names, promised = _header(first, lines, records + 1)
            counted = _count(lines, name)
            if counted != promised:
                _refuse(f"LOCUS of {name} promises {promised:,} bp and {counted:,} follow", "length_mismatch")
            records, length_bp = records + 1, length_bp + counted
            if len(accessions) < NAMES_KEPT:
                accessions.append(version)
            also = also or names
    return Verified(records, length_bp, tuple(accessions), also)


def verify_fasta(path: Path) -> Verified:
    """Return what a FASTA file of nucleotides holds if every record has a name and a sequence.

    Raises:
        BadInput: it is not this. A text that was cut between two letters shows nothing: compare `length_bp`.
    """
    records = length_bp = before_bp = 0
    accessions: list[str] = []
    begins = True
    with _opened(path, "fasta") as reader:
        for line in iter(partial(reader.readline, _LINE_BYTES), b""):
            if begins and line[0] == _MORE:
                if records and length_bp == before_bp:
                    _refuse(f"record {records} has no sequence", "no_sequence")
                records, before_bp = records + 1, length_bp
                if len(accessions) < NAMES_KEPT:
                    accessions.append(_fasta_name(line, records))
            else:
                letters = line.rstrip()
                if left := letters.translate(None, _NUCLEOTIDES):
                    _refuse_letter(left, f"record {records}")
                length_bp += len(letters)
            begins = line.endswith(b"\n")
    if length_bp == before_bp:
        _refuse(f"record {records} has no sequence", "no_sequence")
    return Verified(records, length_bp, tuple(accessions), frozenset())


def _refuse(detail: str, reason: str) -> NoReturn:
    raise BadInput(detail, reason=reason)


@contextmanager
def _opened(path: Path, expected: str) -> Iterator[BufferedReader]:
    """Open a file, plain or gzip, that begins as it should; faults of gzip become BadInput, also later on."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with igzip.open(path) if packed else path.open("rb") as stream:  # type: ignore[no-untyped-call]
            reader = BufferedReader(stream, _BUFFER_BYTES)
            found = sniff(reader.peek(SNIFFED_BYTES))
            if found != expected:
                _refuse_format(reader, found, expected)
            yield reader
    except (EOFError, igzip_lib.IsalError, BadGzipFile) as fault:  # type: ignore[misc]
        raise BadInput(f"the gzip file does not decompress to its end: {fault}", reason="broken_gzip") from fault


def _refuse_format(reader: BufferedReader, found: str, expected: str) -> NoReturn:
    head = reader.peek(SNIFFED_BYTES)[:SNIFFED_BYTES]
    if expected == "genbank" and head.strip() and b"LOCUS ".startswith(head.strip()):
        _refuse("the text ends in the first word of LOCUS", "truncated")
    reason = "not_genbank" if found == "text" and expected == "genbank" else found
    _refuse(f"it is {DESCRIPTIONS[found]} and not {DESCRIPTIONS[expected]}", reason)


def _lines(reader: BufferedReader) -> Iterator[bytes]:
    """Return all lines with their ends; none is empty."""
    return iter(partial(reader.readline, _LINE_BYTES), b"")


def _next_line(lines: Iterator[bytes]) -> bytes:
    """Return the next line that is not blank; empty at the end."""
    return next((line for line in lines if line.strip()), b"")


def _header(first: bytes, lines: Iterator[bytes], number: int) -> tuple[str, str, frozenset[str], int]:
    """Read up to ORIGIN; returns name, VERSION, the words of ACCESSION, and the length that LOCUS promises."""
    name, promised = _locus(first, number)
    version, accession, contig = name, b"", False
    section = b""
    for line in lines:
        if _NUL in line or len(line) == _LINE_BYTES:
            _refuse(f"record {number} ({name}) has binary data or an endless line", "binary")
        if line[0] == _SPACE:
            if section == b"ACCESSION":
                accession += line
        else:
            section, _, rest = line.partition(b" ")
            section = section.rstrip()
            if section == b"ACCESSION":
                accession = rest
            elif section == b"VERSION":
                version = (rest.split() or [b""])[0][:_NAME_BYTES].decode("latin-1") or name
            elif section.startswith(b"ORIGIN"):
                return name, version, frozenset(accession.decode("latin-1").split()), promised
            elif section == b"CONTIG":
                contig = True
            elif section in (b"//", b"LOCUS"):
                _refuse_without_sequence(section, version, contig=contig)
            elif section and not _SECTION.fullmatch(section):  # an error that a server sent in the middle, say
                _refuse(
                    f"what stands before the sequence of {name} goes on with {_beginning(line)!r}", "malformed_header"
                )
    _refuse(f"it ends before the sequence of record {number} ({name})", "truncated")


def _refuse_without_sequence(section: bytes, name: str, *, contig: bool) -> NoReturn:
    if section == b"LOCUS":
        _refuse(f"the next record begins before the sequence of {name}", "truncated")
    if contig:
        _refuse(f"{name} says where its sequence is (CONTIG) and holds none", "contig_only")
    _refuse(f"{name} has no sequence (no ORIGIN)", "no_sequence")


def _locus(line: bytes, number: int) -> tuple[str, int]:
    """Return name and promised length."""
    match = _LOCUS.match(line)
    if match is None:
        found = _beginning(line)
        if number > 1 and not line.startswith(b"LOCUS"):
            if b"LOCUS".startswith(line.strip()):
                _refuse(f"it ends in the LOCUS line of record {number}", "truncated")
            _refuse(f"after record {number - 1} it goes on with {found!r}", "trailing_content")
        if not line.endswith(b"\n"):
            _refuse(f"it ends in the LOCUS line of record {number}", "truncated")
        _refuse(f"LOCUS gives no name, length and unit: {found!r}", "malformed_locus")
    name, unit = match[1].decode("latin-1"), match[3].lower()
    if unit == b"aa":
        _refuse(f"{name} is a protein record", "protein")
    if unit == b"rc":
        _refuse(f"{name} is a master record, which names others and has no sequence", "no_sequence")
    return name, int(match[2])


def _beginning(line: bytes) -> str:
    """Return the first words of a line, none of them in part: a part of a secret could not be hidden any more."""
    return shorten(line.decode("utf-8", "replace"), _SHOWN_CHARACTERS, placeholder=" ...").strip()


def _count(lines: Iterator[bytes], name: str) -> int:
    """Return how many nucleotides stand between ORIGIN and the terminator, which is read too."""
    counted = 0
    for line in lines:
        if line[0] == _SLASH and line.strip() == b"//":
            if counted == 0:
                _refuse(f"{name} has an empty sequence", "no_sequence")
            return counted
        if line == b"/":
            break  # half of the terminator
        letters = line.translate(None, _NUMBERING)
        if left := letters.translate(None, _NUCLEOTIDES):
            _refuse_letter(left, name)
        counted += len(letters)
    _refuse(f"it ends in the sequence of {name}, after {counted:,} bp and without the terminator //", "truncated")


def _fasta_name(line: bytes, number: int) -> str:
    words = line[1:].split()
    if not words or line[1:2].isspace():
        _refuse(f"record {number} has no name", "malformed_header")
    return words[0].decode("utf-8", "replace")


def _refuse_letter(left: bytes, where: str) -> NoReturn:
    """Raise BadInput for letters that are no nucleotide codes."""
    if _NUL in left:
        _refuse(f"the sequence of {where} holds binary data", "binary")
    letter = left[:1].decode("latin-1")
    _refuse(f"the sequence of {where} has {letter!r}, which is no nucleotide", "malformed_sequence")
