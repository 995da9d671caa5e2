"""Accessions of the public archives: what a text names, by its form alone; nothing is looked up.

The forms are those that ENA documents for INSDC and NCBI for RefSeq, assemblies and GEO. Where two archives took the
same form, the one that people write wins: SRR1234567 is a run and no protein, SAMN01911278 a sample and no contig.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

QUOTED_CHARACTERS = 40
"""So much of a wrong value stands in the message about it."""


class Kind(StrEnum):
    """What an accession names."""

    ASSEMBLY = "assembly"
    NUCLEOTIDE = "nucleotide"
    WGS_SET = "wgs_set"
    PROTEIN = "protein"
    RUN = "run"
    EXPERIMENT = "experiment"
    SAMPLE = "sample"
    STUDY = "study"
    ANALYSIS = "analysis"
    SUBMISSION = "submission"
    BIOSAMPLE = "biosample"
    PROJECT = "project"
    GEO = "geo"

    @property
    def description(self) -> str:
        """Return the kind with its article, as it stands in a sentence."""
        return _DESCRIPTIONS[self]


@dataclass(frozen=True, slots=True)
class Accession:
    """An accession in its canonical form."""

    text: str
    """All of it, in capitals: `NC_000913.3`."""

    kind: Kind

    base: str
    """Without the version: `NC_000913`."""

    version: int | None
    """None where the text has none, and for kinds that have no versions."""

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Accession:
    """Return the accession that a text is; blanks around it and small letters are allowed.

    Raises:
        ValueError: the text has the form of no accession; the message names it and says what the forms are.

    >>> parse(" nc_000913.3 ")
    Accession(text='NC_000913.3', kind=<Kind.NUCLEOTIDE: 'nucleotide'>, base='NC_000913', version=3)
    >>> parse("SRR1234567").kind.description
    'a sequencing run'
    """
    canonical = text.strip().upper() if text.isascii() else ""
    for kind, pattern in _PATTERNS:
        if match := pattern.fullmatch(canonical):
            base, version = match["base"], int(match["version"]) if match["version"] else None
            return Accession(base if version is None else f"{base}.{version}", kind, base, version)
    quoted = text if len(text) <= QUOTED_CHARACTERS else f"{text[:QUOTED_CHARACTERS]}..."
    raise ValueError(
        f"{quoted!r} is not an accession; one looks like NC_000913.3 or U00096.3 (a nucleotide record), "
        "GCF_000005845.2 (an assembly), SRR390728 (a sequencing run)"
    )


_DESCRIPTIONS = {
    Kind.ASSEMBLY: "a genome assembly",
    Kind.NUCLEOTIDE: "a nucleotide record",
    Kind.WGS_SET: "a set of contigs (WGS, TSA or TLS)",
    Kind.PROTEIN: "a protein",
    Kind.RUN: "a sequencing run",
    Kind.EXPERIMENT: "a sequencing experiment",
    Kind.SAMPLE: "a sequencing sample",
    Kind.STUDY: "a sequencing study",
    Kind.ANALYSIS: "an analysis in the read archives",
    Kind.SUBMISSION: "a submission to the read archives",
    Kind.BIOSAMPLE: "a BioSample",
    Kind.PROJECT: "a BioProject",
    Kind.GEO: "a GEO series or sample",
}

# A master of a set carries zeros where its contigs carry their number: AAAA00000000, NZ_ARJW00000000.1, ABCD01000000.
_SET = r"(?:NZ_)?(?!SAM[EDN])(?:[A-Z]{4}\d{2}S?0{6,8}|[A-Z]{6}\d{2}S?0{7,9})(?!\d)"
_CONTIG = r"(?!SAM[EDN])(?:[A-Z]{4}\d{2}S?\d{6,8}|[A-Z]{6}\d{2}S?\d{7,9})"
_INSDC = r"[A-Z]\d{5}|[A-Z]{2}\d{6}|[A-Z]{2}\d{8}"
_REFSEQ = r"(?:AC|NC|NG|NM|NR|NT|NW|NZ|XM|XR)_(?:[A-Z]{2,6})?\d{6,}"
_PROTEIN = r"(?:AP|NP|WP|XP|YP)_\d{6,}|(?!GS[EM])[A-Z]{3}\d{5}|(?![EDS]R[APSXRZ]|GS[EM])[A-Z]{3}\d{7}"

_VERSIONED = (
    (Kind.ASSEMBLY, r"GC[AF]_\d{9}"),
    (Kind.WGS_SET, _SET),
    (Kind.NUCLEOTIDE, rf"(?!{_SET})(?:{_CONTIG}|{_REFSEQ}|{_INSDC})"),
    (Kind.PROTEIN, _PROTEIN),
)
_PLAIN = (
    (Kind.RUN, r"[EDS]RR\d{6,}"),
    (Kind.EXPERIMENT, r"[EDS]RX\d{6,}"),
    (Kind.SAMPLE, r"[EDS]RS\d{6,}"),
    (Kind.STUDY, r"[EDS]RP\d{6,}"),
    (Kind.ANALYSIS, r"[EDS]RZ\d{6,}"),
    (Kind.SUBMISSION, r"[EDS]RA\d{6,}"),
    (Kind.BIOSAMPLE, r"SAM[EDN][A-Z]?\d+"),
    (Kind.PROJECT, r"PRJ[EDN][A-Z]\d+"),
    (Kind.GEO, r"GS[EM]\d+"),
)
# No text fits two of them, so that their order means nothing; a test holds this.
_PATTERNS = tuple(
    (kind, re.compile(rf"(?P<base>{pattern}){version}", re.ASCII))
    for kinds, version in ((_VERSIONED, r"(?:\.(?P<version>\d{1,3}))?"), (_PLAIN, r"(?P<version>)"))
    for kind, pattern in kinds
)
