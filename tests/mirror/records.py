"""What the mirror has to give: real GenBank records by accession and version, and assemblies made of them."""

import gzip
import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import arqsvc
from arqsvc.bio.accession import parse

PACKAGED = Path(arqsvc.__file__).parent / "families" / "genomes" / "data" / "NC_000932.1.gb.gz"
FASTA_COLUMNS = 70
ASSEMBLY_FASTA_COLUMNS = 80


@dataclass(frozen=True)
class Record:
    """One GenBank record; its text is read when it is first asked for."""

    accession: str
    """With version."""

    source: Path | bytes
    """The flat file, plain or gzip, or its text."""

    @cached_property
    def text(self) -> bytes:
        """The flat file."""
        data = self.source if isinstance(self.source, bytes) else self.source.read_bytes()
        return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data

    @cached_property
    def head(self) -> str:
        """All lines above the features."""
        return self.text[: self.text.index(b"\nFEATURES ") + 1].decode()

    @property
    def title(self) -> str:
        """The definition on one line, without its full stop."""
        lines = re.search(r"^DEFINITION +(.+(?:\n {12}.+)*)", self.head, re.MULTILINE)
        return " ".join(lines[1].split()).removesuffix(".") if lines else ""

    @property
    def organism(self) -> str:
        """The organism's name."""
        line = re.search(r"^  ORGANISM +(.+)", self.head, re.MULTILINE)
        return line[1] if line else ""

    @property
    def taxon(self) -> int:
        """NCBI's number of the organism; 0 where the record has none."""
        number = re.search(rb'/db_xref="taxon:(\d+)"', self.text)
        return int(number[1]) if number else 0

    @property
    def uid(self) -> str:
        """The number that Entrez knows it by: its GI, or one made from the accession."""
        number = re.search(r"^VERSION .* GI:(\d+)", self.head, re.MULTILINE)
        return number[1] if number else str(zlib.crc32(self.accession.encode()))

    @cached_property
    def sequence(self) -> bytes:
        """The bases, in capitals."""
        start = self.text.index(b"\n", self.text.index(b"\nORIGIN") + 1)
        return self.text[start : self.text.index(b"\n//", start)].translate(None, b" \n0123456789").upper()

    def fasta(self, columns: int) -> bytes:
        """Return the sequence as FASTA."""
        lines = [self.sequence[start : start + columns] for start in range(0, len(self.sequence), columns)]
        return b"\n".join([f">{self.accession} {self.title}".encode(), *lines, b""])

    @property
    def contig_only(self) -> bytes:
        """What `rettype=gb` gives of a big record: one feature, no sequence, and where that would come from."""
        contig = re.search(rb"^CONTIG .*$", self.text, re.MULTILINE)
        length = len(self.sequence)
        source = f"FEATURES             Location/Qualifiers\n     source          1..{length}\n".encode()
        where = contig[0] if contig else f"CONTIG      join({self.accession}:1..{length})".encode()
        return self.head.encode() + source + where + b"\n//\n\n"


@dataclass(frozen=True)
class Assembly:
    """Records that together are one genome."""

    accession: str
    name: str
    records: tuple[Record, ...]

    @property
    def folder(self) -> str:
        """Name of its folder in the genomes tree, and the beginning of the names in there."""
        return f"{self.accession}_{self.name}"

    @property
    def length_bp(self) -> int:
        """Length of all records together."""
        return sum(len(record.sequence) for record in self.records)

    @cached_property
    def gbff(self) -> bytes:
        """All records as one GenBank file."""
        return b"".join(record.text for record in self.records)

    @cached_property
    def fna(self) -> bytes:
        """All sequences as one FASTA file."""
        return b"".join(record.fasta(ASSEMBLY_FASTA_COLUMNS) for record in self.records)

    @property
    def report(self) -> bytes:
        """The `assembly_report.txt`."""
        facts = {
            "Assembly name": self.name,
            "Organism name": self.records[0].organism,
            "Taxid": str(self.records[0].taxon),
            "Assembly level": "Complete Genome",
            "RefSeq assembly accession": self.accession,
        }
        columns = ("Sequence-Name", "Sequence-Role", "GenBank-Accn", "Relationship", "RefSeq-Accn", "Sequence-Length")
        rows = [
            (str(number), "assembled-molecule", "na", "<>", record.accession, str(len(record.sequence)))
            for number, record in enumerate(self.records, start=1)
        ]
        lines = [f"# {name}:  {value}" for name, value in facts.items()]
        return "\r\n".join([*lines, "# " + "\t".join(columns), *map("\t".join, rows), ""]).encode()

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The files of its folder in the genomes tree."""
        files = {
            f"{self.folder}_assembly_report.txt": self.report,
            f"{self.folder}_genomic.fna.gz": gzip.compress(self.fna, compresslevel=1, mtime=0),
            f"{self.folder}_genomic.gbff.gz": gzip.compress(self.gbff, compresslevel=1, mtime=0),
        }
        sums = [f"{md5(data)}  ./{name}\n" for name, data in files.items()]
        return {**files, "md5checksums.txt": "".join(sums).encode()}


class Records:
    """Everything that the mirror has."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.assemblies: dict[str, Assembly] = {}

    @classmethod
    def packaged(cls) -> Self:
        """Return the record that ships with arqsvc, and an assembly made of it."""
        records = cls()
        records.add("NC_000932.1", PACKAGED)
        records.assembly("GCF_000000932.1", "ASM93v1", ["NC_000932.1"])
        return records

    @classmethod
    def shared(cls, shared_data: Path) -> Self:
        """Return all genomes of the shared data as well, and the assemblies that three of them are from."""
        records = cls.packaged()
        for path in sorted((shared_data / "genomes").glob("*.gb*")):
            if named := re.match(r"(?:[A-Z]{2}_)?[A-Z]*\d+\.\d+", path.name):
                records.records.setdefault(named[0], Record(named[0], path))
        records.assembly("GCF_000005845.2", "ASM584v2", ["NC_000913.3"])
        records.assembly("GCF_000023685.1", "ASM2368v1", ["NZ_CP001668.1"])
        records.assembly("GCF_000292685.1", "ASM29268v1", ["NC_018507.1"])
        return records

    def add(self, accession: str, source: Path | bytes) -> None:
        """Take in a flat file under its accession and version."""
        self.records[accession] = Record(accession, source)

    def assembly(self, accession: str, name: str, of: Sequence[str]) -> None:
        """Make an assembly of records that are here."""
        self.assemblies[accession] = Assembly(accession, name, tuple(self.records[one] for one in of))

    def record(self, accession: str) -> Record | None:
        """Return a record; without a version the newest, None where there is none."""
        return self.records.get(_newest(accession, self.records))

    def genome(self, accession: str) -> Assembly | None:
        """Return an assembly; without a version the newest, None where there is none."""
        return self.assemblies.get(_newest(accession, self.assemblies))


def md5(data: bytes) -> str:
    """Return the MD5 as NCBI declares it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _newest(accession: str, known: dict[str, Record] | dict[str, Assembly]) -> str:
    versions = [text for text in known if text.rpartition(".")[0] == accession]
    return max(versions, key=lambda text: parse(text).version or 0, default=accession)
