"""Which figures a file gets, in which order, with the words that go beside each: title, caption, alternative text.

Of many records the longest are drawn: circular ones a figure each, linear ones as strips of one gene map.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arqsvc.bio.genetic_code import CODONS, genetic_code
from arqsvc.families.genomes.compute.measurements import CodonUsage, Measurements, RecordMeasurements
from arqsvc.families.genomes.figures import (
    codon_usage,
    gc_skew,
    gene_lengths,
    gene_map,
    gene_map_circle,
    gene_map_strips,
    notation,
)

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
    title = "GC skew"
    drawable = [record for record in longest if record.statistics.skew and len(record.statistics.skew.skew)][
        :MOST_DRAWN
    ]
    if not drawable:
        return [Panel("sequence", title, None, "", "No record is as long as one window of 1 kb.")]
    return [_skew(record, _numbered(folder, "gc-skew", i), len(longest)) for i, record in enumerate(drawable)]


def _skew(record: RecordMeasurements, file: Path, records: int) -> Panel:
    skew = record.statistics.skew
    assert skew is not None
    circular = record.topology == "circular"
    draw = gc_skew.draw_circular if circular else gc_skew.draw_linear
    draw(file, skew, record.accession, record.length_bp)
    windows = notation.count(len(skew.skew), "window")
    marks = gc_skew.marks(skew)
    places = [f"{name} at {notation.position(place_bp, record.length_bp)}" for name, place_bp in marks]
    if marks:
        finding = f"Cumulative skew is least at the {places[0]} and greatest at the {places[-1]}"
        reading = "Least and greatest cumulative skew mark the likely origin and terminus of replication."
    else:
        finding = f"Skew of the whole record {notation.decimal(record.statistics.gc_skew, 3)}; no origin is marked"
        why = "the record is linear" if not circular else f"{windows} are too few: 100 are needed"
        reading = f"Origin and terminus are not marked: {why}."
    step = (
        "Each step drawn is one window."
        if gc_skew.step_bp(skew) == skew.window_bp
        else "Each step drawn is the mean of "
    )
    if gc_skew.step_bp(skew) != skew.window_bp:
        step += f"{gc_skew.step_bp(skew) // skew.window_bp} windows."
    caption = f"(G − C)/(G + C) in {windows} of {skew.window_bp // 1000}{notation.THIN}kb and its running sum. {step} {reading}"
    alt = f"{'Circular' if circular else 'Linear'} plot of GC skew along {record.accession}. {finding}."
    return Panel("sequence", f"GC skew{_of(record, records)}", file, alt, caption)


def _maps(longest: list[RecordMeasurements], folder: Path) -> list[Panel]:
    title = "Gene map"
    annotated = [record for record in longest if gene_map.gene_count(record.features)]
    circular = [record for record in annotated if record.topology == "circular"][:MOST_DRAWN]
    linear = [record for record in annotated if record.topology == "linear"]
    if not annotated:
        return [Panel("genes", title, None, "", "No gene is annotated.")]
    panels = [
        _circular_map(record, _numbered(folder, "gene-map", i), len(longest)) for i, record in enumerate(circular)
    ]
    if linear:
        panels.append(_linear_map(linear, _numbered(folder, "gene-map", len(circular)), len(longest)))
    return panels


def _circular_map(record: RecordMeasurements, file: Path, records: int) -> Panel:
    gene_map_circle.draw_circular_map(file, record.features, record.accession, record.length_bp)
    alt = f"Circular map of {record.accession}: {_contents(record)}."
    caption = (
        "CDS of the forward strand on the outer track, of the reverse strand on the next, RNA genes inside; base 1 at "
        "the top, clockwise. Genes too narrow to be seen are widened; overlapping genes are stacked."
    )
    return Panel("genes", f"Gene map{_of(record, records)}", file, alt, caption)


def _linear_map(linear: list[RecordMeasurements], file: Path, records: int) -> Panel:
    drawn = linear[: gene_map_strips.MOST_RECORDS]
    gene_map_strips.draw_strips(file, [(record.accession, record.length_bp, record.features) for record in drawn])
    shown = notation.listed([f"{record.accession} ({_contents(record)})" for record in drawn[:3]])
    rest = f" and {len(drawn) - 3} more" if len(drawn) > 3 else ""
    caption = "Genes of the forward strand above the line, of the reverse strand below it; arrow heads at the 3′ end."
    if len(linear) > len(drawn):
        caption += (
            f" The {len(drawn)} longest of {notation.integer(len(linear))} linear records with genes, on one scale."
        )
    title = "Gene map" if records == 1 else "Gene map of the linear records"
    return Panel("genes", title, file, f"Linear map of {shown}{rest}.", caption)


def _contents(record: RecordMeasurements) -> str:
    kinds = Counter({key: counts["total"] for key, counts in record.genes.by_kind.items()})
    cds = record.genes.by_kind.get("CDS", {"forward": 0, "reverse": 0})
    words = [
        f"{notation.integer(cds['forward'])} CDS on the forward and {notation.integer(cds['reverse'])} on the reverse strand"
    ]
    words += [notation.count(kinds[key], f"{key} gene") for key in ("tRNA", "rRNA") if kinds[key]]
    return notation.listed(words)


def _lengths(measurements: Measurements, folder: Path) -> Panel:
    title = "Gene lengths"
    facts = measurements.genes
    rna_bp = np.concatenate(
        [
            record.features.length_bp[[row for row, key in enumerate(record.features.kind) if key in gene_map.RNA_KEYS]]
            for record in measurements.records
        ]
    )
    cds_bp, rna_bp = facts.cds_length_bp[facts.cds_length_bp > 0], rna_bp[rna_bp > 0]
    if not len(cds_bp) + len(rna_bp):
        return Panel("genes", title, None, "", "No CDS and no RNA gene is annotated.")
    file = folder / "gene-lengths.svg"
    gene_lengths.draw_gene_lengths(file, cds_bp, rna_bp)
    lengths = facts.cds_lengths
    alt = f"Histogram of the lengths of {notation.integer(len(cds_bp))} CDS and {notation.count(len(rna_bp), 'RNA gene')}."
    if lengths.median_bp is not None and lengths.q05_bp is not None and lengths.q95_bp is not None:
        middle = (
            f"{notation.integer(round(lengths.q05_bp))} to {notation.integer(round(lengths.q95_bp))}{notation.THIN}bp"
        )
        alt += f" Half of the CDS are longer than {notation.integer(round(lengths.median_bp))}{notation.THIN}bp; nine in ten have {middle}."
    return Panel(
        "genes", title, file, alt, "Introns are not counted, pseudo CDS are. Sixteen bins a decade, logarithmic axis."
    )


def _rscu(usage: CodonUsage, folder: Path) -> Panel:
    title = "Relative synonymous codon usage"
    if usage.genetic_code is None:
        return Panel("codons", title, None, "", _no_codons(usage))
    file = folder / "rscu.svg"
    code = genetic_code(usage.genetic_code)
    codon_usage.draw_rscu(file, usage.rscu, code)
    synonymous = np.where(code.synonymous & ~np.isnan(usage.rscu), usage.rscu, -1)
    best = [
        f"{CODONS[i]} for {codon_usage.AMINO_ACIDS[chr(code.amino_acids[i])]} ({usage.rscu[i]:.2f})"
        for i in np.argsort(-synonymous)[:3]
    ]
    alt = f"Bars of RSCU for all codons, grouped by amino acid. Most preferred: {notation.listed(best)}."
    caption = (
        f"Count of a codon by the mean count of its amino acid's codons, {notation.integer(usage.codons_total)} codons of "
        f"{notation.integer(usage.cds_used)} CDS, translation table {usage.genetic_code}. 1 means no preference."
    )
    return Panel("codons", title, file, alt, caption)


def _nc_gc3s(usage: CodonUsage, folder: Path) -> Panel:
    title = "Effective number of codons"
    genes = usage.genes
    known = ~(np.isnan(genes.nc) | np.isnan(genes.gc3s))
    if not known.any():
        few = "No gene is long enough for Nc to be defined." if usage.cds_used else _no_codons(usage)
        return Panel("codons", title, None, "", few)
    file = folder / "nc-gc3s.svg"
    pooled = (usage.gc3s, usage.nc) if usage.gc3s is not None and usage.nc is not None else None
    nc, gc3s = genes.nc[known], genes.gc3s[known]
    codon_usage.draw_nc_gc3s(file, nc, gc3s, pooled)
    below = int((nc < codon_usage.expected_nc(gc3s) - 5).sum())
    alt = (
        f"Nc against GC3s of {notation.count(len(nc), 'gene')} with Wright's curve. {notation.integer(below)} lie more than 5 codons "
        f"below the curve; median Nc {np.median(nc):.1f}, median GC3s {np.median(gc3s):.2f}."
    )
    without = int((~known).sum())
    caption = "Genes on the curve use codons as base composition alone would have them; genes well below it prefer some codons."
    if without:
        caption += f" {notation.count(without, 'gene')} too short for Nc to be defined {'is' if without == 1 else 'are'} left out."
    return Panel("codons", title, file, alt, caption)


def _no_codons(usage: CodonUsage) -> str:
    left_out = sum(usage.cds_left_out.values())
    return (
        "No CDS is annotated."
        if not left_out
        else f"None of the {notation.integer(left_out)} CDS can be read codon by codon."
    )
