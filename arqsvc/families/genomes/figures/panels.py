"""Which figures a file gets, in which order, with the words that go beside each: title, caption, alternative text.

Of many records the longest and its longest circular companions get skew plots; circular ones get a gene map each,
linear ones are strips of one.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arqsvc.bio.genetic_code import CODONS, genetic_code
from arqsvc.families.genomes.compute.genes import RNA_KINDS
from arqsvc.families.genomes.compute.measurements import CodonUsage, Measurements, RecordMeasurements, Skew
from arqsvc.families.genomes.compute.record import Integers
from arqsvc.families.genomes.figures import (
    codon_usage,
    gc_skew,
    gene_lengths,
    gene_map,
    gene_map_circle,
    gene_map_strips,
)
from arqsvc.families.genomes.figures.notation import THIN, bases, count, decimal, integer, listed, position

MOST_DRAWN = 3
"""Records that get a figure of their own."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure of the report, or why it is not there."""

    section: str
    """`sequence`, `genes` or `codons`."""

    title: str
    file: Path | None
    """The SVG; None where there is nothing to draw."""

    alt: str
    """What the figure shows, for those who do not see it; empty without figure."""

    caption: str
    """How to read the figure; without one, the reason."""

    wide: bool = False
    """Needs the whole width of a page."""


def draw_panels(measurements: Measurements, folder: Path) -> list[Panel]:
    """Draw all figures of a file into a folder, which must exist; return them in the order of the report."""
    longest = sorted(measurements.records, key=lambda record: -record.length_bp)
    return [
        *_skews(longest, folder),
        *_maps(longest, folder),
        _lengths(measurements, folder),
        _rscu(measurements.codons, folder),
        _nc_gc3s(measurements.codons, folder),
    ]


def _numbered(folder: Path, stem: str, place: int) -> Path:
    return folder / (f"{stem}.svg" if place == 0 else f"{stem}-{place + 1}.svg")


def _of(record: RecordMeasurements, records: int) -> str:
    return f" of {record.accession}" if records > 1 else ""


def _skews(longest: list[RecordMeasurements], folder: Path) -> list[Panel]:
    drawable = [(record, skew) for record in longest if (skew := record.statistics.skew) and len(skew.skew)]
    if not drawable:
        return [Panel("sequence", "GC skew", None, "", "No record is as long as one window of 1 kb.")]
    chosen = [(record, skew) for record, skew in drawable if record is longest[0] or record.topology == "circular"]
    return [
        _skew(record, skew, _numbered(folder, "gc-skew", place), len(longest))
        for place, (record, skew) in enumerate(chosen[:MOST_DRAWN])
    ]


def _skew(record: RecordMeasurements, skew: Skew, file: Path, records: int) -> Panel:
    circular = record.topology == "circular"
    draw = gc_skew.draw_circular if circular else gc_skew.draw_linear
    draw(file, skew, record.accession, record.length_bp)
    windows = count(len(skew.skew), "window")
    a_step = gc_skew.step_bp(skew) // skew.window_bp
    steps = "Each step drawn is one window." if a_step == 1 else f"Each step drawn is the mean of {a_step} windows."
    marks = [f"{name}, {position(place_bp, record.length_bp)}" for name, place_bp in gc_skew.marks(skew)]
    if marks:
        finding = f"Cumulative skew is least at the {marks[0]}, and greatest at the {marks[1]}"
        reading = (
            "In most bacteria cumulative skew is least at the origin and greatest at the terminus of replication, "
            "which are marked by that rule; organelles, archaea and rearranged genomes need not follow it."
        )
    else:
        finding = f"Skew of the whole record {decimal(record.statistics.gc_skew, 3)}; no origin is marked"
        why = "the record is linear" if not circular else f"{windows} are too few, 100 are needed"
        reading = f"Origin and terminus are not marked: {why}."
    caption = (
        f"(G − C)/(G + C) in {windows} of {skew.window_bp // 1000}{THIN}kb, and its running sum. {steps} {reading}"
    )
    alt = f"{'Circular' if circular else 'Linear'} plot of GC skew along {record.accession}. {finding}."
    return Panel("sequence", f"GC skew{_of(record, records)}", file, alt, caption, wide=not circular)


def _maps(longest: list[RecordMeasurements], folder: Path) -> list[Panel]:
    annotated = [record for record in longest if gene_map.gene_count(record.features)]
    if not annotated:
        return [Panel("genes", "Gene map", None, "", "No gene is annotated.")]
    circular = [record for record in annotated if record.topology == "circular"][:MOST_DRAWN]
    linear = [record for record in annotated if record.topology == "linear"]
    files = [_numbered(folder, "gene-map", place) for place in range(len(circular) + 1)]
    panels = [_circular_map(record, file, len(longest)) for record, file in zip(circular, files, strict=False)]
    return [*panels, _linear_map(linear, files[-1], len(longest))] if linear else panels


def _circular_map(record: RecordMeasurements, file: Path, records: int) -> Panel:
    gene_map_circle.draw_circular_map(file, record.features, record.accession, record.length_bp)
    caption = (
        "CDS of the forward strand on the outer track, of the reverse strand on the next, RNA genes inside; base 1 at "
        "the top, clockwise. Genes too narrow to be seen are widened; overlapping genes are stacked."
    )
    named = gene_map.gene_count(record.features) <= gene_map.MOST_NAMED
    alt = f"Circular map of {record.accession}: {_contents(record)}."
    return Panel("genes", f"Gene map{_of(record, records)}", file, alt, caption, wide=named)


def _linear_map(linear: list[RecordMeasurements], file: Path, records: int) -> Panel:
    drawn = linear[: gene_map_strips.MOST_RECORDS]
    gene_map_strips.draw_strips(file, [(record.accession, record.length_bp, record.features) for record in drawn])
    shown = [f"{record.accession} ({_contents(record)})" for record in drawn[:3]]
    shown += [f"{len(drawn) - 3} more"] if len(drawn) > 3 else []
    caption = "Genes of the forward strand above the line, of the reverse strand below it; arrow heads at the 3′ end."
    if len(linear) > len(drawn):
        caption += f" The {len(drawn)} longest of {integer(len(linear))} linear records with genes."
    title = "Gene map" if records == 1 else "Gene map of the linear records"
    return Panel("genes", title, file, f"Linear map of {listed(shown)}.", caption, wide=True)


def _contents(record: RecordMeasurements) -> str:
    kinds = record.genes.by_kind
    words = [f"{integer(kinds[key]['total'])} {key}" for key in ("CDS", "tRNA", "rRNA") if key in kinds]
    if "CDS" in kinds:
        words[0] += f", {integer(kinds['CDS']['forward'])} of them on the forward strand"
    return "; ".join(words) or count(record.genes.genes, "gene")


def _lengths(measurements: Measurements, folder: Path) -> Panel:
    facts = measurements.genes
    rna_bp = np.concatenate([_rna_lengths(record) for record in measurements.records])
    cds_bp = facts.cds_length_bp[facts.cds_length_bp > 0]
    if not len(cds_bp) + len(rna_bp):
        return Panel("genes", "Gene lengths", None, "", "No CDS and no RNA gene is annotated.")
    file = folder / "gene-lengths.svg"
    gene_lengths.draw_gene_lengths(file, cds_bp, rna_bp)
    said = facts.cds_lengths
    alt = f"Histogram of the lengths of {integer(len(cds_bp))} CDS and {count(len(rna_bp), 'RNA gene')}."
    if said.count:
        middle = f"{bases(said.q05_bp)} to {bases(said.q95_bp)}"
        alt += f" The median CDS has {bases(said.median_bp)}; nine in ten have {middle}."
    caption = "Introns are not counted, pseudo CDS are. Logarithmic axis, sixteen bins a decade."
    return Panel("genes", "Gene lengths", file, alt, caption)


def _rna_lengths(record: RecordMeasurements) -> Integers:
    features = record.features
    rows = np.array([key in RNA_KINDS for key in features.kind], dtype=bool) & (features.length_bp > 0)
    return features.length_bp[rows]


def _rscu(usage: CodonUsage, folder: Path) -> Panel:
    title = "Relative synonymous codon usage"
    if usage.genetic_code is None:
        return Panel("codons", title, None, "", _no_codons(usage))
    file = folder / "rscu.svg"
    code = genetic_code(usage.genetic_code)
    codon_usage.draw_rscu(file, usage.rscu, code)
    preference = np.where(code.synonymous & ~np.isnan(usage.rscu), usage.rscu, 0)
    best = [
        f"{CODONS[row]} for {codon_usage.AMINO_ACIDS[chr(code.amino_acids[row])]} ({preference[row]:.2f})"
        for row in np.argsort(-preference, kind="stable")[:3]
    ]
    alt = f"Bars of RSCU for all codons, grouped by amino acid. Most preferred: {listed(best)}."
    caption = (
        f"Count of a codon by the mean count of its amino acid’s codons: {integer(usage.codons_total)} codons of "
        f"{integer(usage.cds_used)} CDS, translation table {usage.genetic_code}. 1 means no preference."
    )
    return Panel("codons", title, file, alt, caption, wide=True)


def _nc_gc3s(usage: CodonUsage, folder: Path) -> Panel:
    title = "Effective number of codons"
    known = ~(np.isnan(usage.genes.nc) | np.isnan(usage.genes.gc3s))
    if not known.any():
        reason = "Nc is defined for no gene: all are too short." if usage.cds_used else _no_codons(usage)
        return Panel("codons", title, None, "", reason)
    file = folder / "nc-gc3s.svg"
    nc, gc3s = usage.genes.nc[known], usage.genes.gc3s[known]
    pooled = (usage.gc3s, usage.nc) if usage.gc3s is not None and usage.nc is not None else None
    codon_usage.draw_nc_gc3s(file, nc, gc3s, pooled)
    below = int((nc < codon_usage.expected_nc(gc3s) - 5).sum())
    alt = (
        f"Nc against GC3s of {count(len(nc), 'gene')} with Wright’s curve. {integer(below)} lie more than 5 codons "
        f"below it; median Nc {np.median(nc):.1f}, median GC3s {np.median(gc3s):.2f}."
    )
    caption = "Genes on the curve use codons as base composition alone would have it; genes well below it prefer some."
    if not known.all():
        caption += f" Left out: {count(int((~known).sum()), 'gene')}, too short for Nc to be defined."
    return Panel("codons", title, file, alt, caption)


def _no_codons(usage: CodonUsage) -> str:
    left_out = sum(usage.cds_left_out.values())
    return f"None of the {integer(left_out)} CDS can be read codon by codon." if left_out else "No CDS is annotated."
