"""All numbers of one analysed file, as values and arrays: what tables, figures, report and `result.json` are made of.

Inside, coordinates are zero-based half-open, fractions 0..1, and what is undefined is NaN in an array and None alone.
Codon axes (64) follow `arqsvc.bio.genetic_code.CODONS`: TTT, TTC, TTA, TTG, TCT, ... GGG.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from arqsvc.families.genomes.compute.record import Features, Integers, Strands

Floats: TypeAlias = NDArray[np.float64]
Level: TypeAlias = Literal["error", "warning", "notice"]


@dataclass(frozen=True, slots=True, eq=False)
class GeneCodons:
    """Codon usage of every CDS that counts, a row a CDS, in the order of the file; `n` rows."""

    record: Integers
    """Index of the record in `Measurements.records`; int64[n]."""

    feature: Integers
    """Row in that record's `features`; int64[n]."""

    genetic_code: Integers
    """NCBI translation table by which this CDS is read; int64[n]."""

    name: tuple[str, ...]
    """Locus tag, else gene, else protein id, else product, else `CDS` and its place."""

    gene: tuple[str | None, ...]
    product: tuple[str | None, ...]
    strand: Strands
    """1, -1, or 0 where parts lie on both; int8[n]."""

    length_bp: Integers
    """Three times `codons`; int64[n]."""

    codons: Integers
    """Codons read, start and stop included; int64[n]."""

    counts: NDArray[np.int64]
    """int64[n, 64]."""

    nc: Floats
    """Effective number of codons, float64[n]; NaN where undefined."""

    gc: Floats
    gc1: Floats
    gc2: Floats
    gc3: Floats
    """G+C at all, first, second and third positions over all codons; float64[n]."""

    gc3s: Floats
    """G+C at third positions of codons that have synonyms; float64[n], NaN where there is none."""

    cai: Floats
    """Codon adaptation index, float64[n]; NaN without reference."""


@dataclass(frozen=True, slots=True, eq=False)
class CaiReference:
    """The genes whose codon usage CAI takes as adapted, or why there are none."""

    source: Literal["ribosomal proteins", "given", "none"]
    genes: tuple[str, ...]
    """Names of the genes used; empty for `none`."""

    reason: str
    """One sentence: how the genes were found, or why CAI is not defined."""

    weights: Floats
    """Relative adaptiveness w, float64[64]; NaN for stops, single-codon families and families not seen."""


@dataclass(frozen=True, slots=True, eq=False)
class CodonUsage:
    """Codon usage of a record, or of all records of the file together."""

    genetic_code: int | None
    """NCBI translation table of most CDS used; None without CDS. `rscu`, `nc`, `gc3s` are of the CDS read by it."""

    genetic_codes: Mapping[int, int]
    """CDS used by translation table, ascending."""

    cds_used: int
    """CDS that count: not pseudo, joined, all parts here, whole codons after `codon_start`, A C G T only."""

    cds_left_out: Mapping[str, int]
    """The other CDS by reason: `pseudo`, `not_joined`, `not_in_record`, `broken_codon`, `ambiguous_bases`, `empty`."""

    codons_total: int
    counts: Integers
    """int64[64]; all CDS used."""

    rscu: Floats
    """Relative synonymous codon usage, float64[64], stops a family of their own; NaN where the family is not seen."""

    nc: float | None
    gc: float | None
    gc1: float | None
    gc2: float | None
    gc3: float | None
    gc3s: float | None
    cai: float | None
    """CAI of the pooled counts."""

    cai_reference: CaiReference
    start_codons: Mapping[str, int]
    """First codon of every CDS used, by falling count; a partial CDS gives what it begins with."""

    stop_codons: Mapping[str, int]
    """Last codon of every CDS used, by falling count; a partial CDS gives what it ends with."""

    genes: GeneCodons


@dataclass(frozen=True, slots=True, eq=False)
class LengthQuantiles:
    """Lengths in bp, empty without any; quantiles by linear interpolation."""

    count: int
    mean_bp: float | None
    min_bp: int | None
    q05_bp: float | None
    q25_bp: float | None
    median_bp: float | None
    q75_bp: float | None
    q95_bp: float | None
    max_bp: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """Pairs of genes (CDS and RNA) that share nucleotides; two products of one locus are no pair."""

    pairs: int
    overlap_bp: int
    """Sum over the pairs; what one gene reads twice counts once."""

    same_strand: int
    opposite_strand: int


@dataclass(frozen=True, slots=True, eq=False)
class Operons:
    """Operon candidates: two or more neighbouring CDS on one strand, each at most `max_gap_bp` from the last."""

    max_gap_bp: int
    operons: int
    genes: int
    """CDS in any of them."""

    largest: int
    """CDS in the largest; 0 without operon."""

    sizes: Integers
    """CDS in each, in the order of the genome; int64[operons]."""


@dataclass(frozen=True, slots=True, eq=False)
class GeneFacts:
    """What the annotation says, of a record or of all records together; pseudo features included."""

    by_kind: Mapping[str, Mapping[str, int]]
    """Feature key -> `total`, `forward`, `reverse`, `both`; keys in the order of the alphabet."""

    genes: int
    cds: int
    trna: int
    rrna: int
    ncrna: int
    tmrna: int
    pseudo: int
    """CDS marked `/pseudo` or `/pseudogene`."""

    pseudo_genes: int
    """`gene` features marked so."""

    pseudo_share: float | None
    """`pseudo` of all CDS; None without CDS."""

    hypothetical: int
    """CDS, not pseudo, whose product says that nothing is known."""

    hypothetical_share: float | None
    """`hypothetical` of the CDS that are not pseudo."""

    coding_bp: int
    """Nucleotides in at least one CDS, pseudo included, introns not."""

    coding_density: float | None
    """`coding_bp` of the length."""

    coding_density_intact: float | None
    """The same without pseudo CDS."""

    gene_density_per_kb: float | None
    """CDS and RNA genes per 1,000 bp."""

    cds_length_bp: Integers
    """Of every CDS with a nucleotide in the record, pseudo included, introns not, without what lies outside."""

    cds_lengths: LengthQuantiles
    intergenic_bp: Integers
    """Stretches between genes (CDS and RNA), across the origin on a circle, to no end on a line; int64[stretches]."""

    intergenic: LengthQuantiles
    overlaps: Overlaps
    operons: Operons


@dataclass(frozen=True, slots=True, eq=False)
class Skew:
    """(G-C)/(G+C) in windows that do not overlap; what is left at the end of the record makes no window."""

    window_bp: int
    skew: Floats
    """float64[w]; 0 where a window has neither G nor C."""

    cumulative: Floats
    """Running sum of `skew`; float64[w]."""

    origin_bp: int | None
    """Zero-based start of the window of least cumulative skew; None on a line or under `MIN_WINDOWS` windows."""

    terminus_bp: int | None
    """The same of greatest cumulative skew."""


@dataclass(frozen=True, slots=True, eq=False)
class SequenceFacts:
    """What the nucleotides say, of a record or of all records together."""

    records: int
    length_bp: int
    bases: Mapping[str, int]
    """`A`, `C`, `G`, `T` (U counts as T), `N`, `other`."""

    gc: float | None
    """G+C of A+C+G+T; None where there is none of them."""

    gc_skew: float | None
    """(G-C)/(G+C) of the whole."""

    at_skew: float | None
    n_runs: int
    """Maximal runs of N, any length."""

    gaps: int
    """Runs of at least `GAP_BP` N."""

    gap_bp: int
    """N in those runs."""

    longest_n_run_bp: int
    n50_bp: int
    l50: int
    n90_bp: int
    l90: int
    aun_bp: float
    """Sum of squared record lengths by their sum."""

    longest_bp: int
    shortest_bp: int
    dinucleotide_odds: Mapping[str, float | None]
    """16 DNA keys `AA`..`TT`; f(xy) / (f(x) f(y)), one strand as written."""

    skew: Skew | None
    """None for several records together."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a curator should know, under the name by which NCBI's validator knows it."""

    level: Level
    code: str
    """`SEQ_FEAT.InternalStop` and the like."""

    record: str
    """Accession of the record."""

    feature: str
    """Feature key; empty where the record itself is meant."""

    name: str
    """Locus tag, gene or protein id; empty where there is none."""

    location: str
    """As GenBank writes it, one-based and inclusive; empty where the record itself is meant."""

    message: str
    """One or two sentences: what was expected, what was found, what it means."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordMeasurements:
    """All numbers of one record."""

    accession: str
    definition: str
    organism: str
    molecule_type: str
    topology: str
    """`circular` or `linear`."""

    length_bp: int
    features: Features
    codons: CodonUsage
    genes: GeneFacts
    statistics: SequenceFacts
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """All numbers of one file: each record, and all together."""

    records: tuple[RecordMeasurements, ...]
    """In the order of the file; at least one."""

    codons: CodonUsage
    genes: GeneFacts
    statistics: SequenceFacts
    findings: tuple[Finding, ...]
    """Errors first, then warnings, then notices; within a level in the order of the file."""

    genetic_code_given: int | None
    """The caller's override of every CDS's own translation table."""

    def count(self, level: Level) -> int:
        """Return how many findings are of a level."""
        return sum(finding.level == level for finding in self.findings)
