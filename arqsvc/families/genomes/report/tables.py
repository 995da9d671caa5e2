"""The tables of the report: measured values in, cells with the words to read and the value to sort by out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arqsvc.bio.genetic_code import CODONS, genetic_code
from arqsvc.families.genomes.compute.measurements import (
    CodonUsage,
    Floats,
    GeneFacts,
    Measurements,
    RecordMeasurements,
    SequenceFacts,
)
from arqsvc.families.genomes.figures import notation
from arqsvc.families.genomes.figures.codon_usage import expected_nc, families
from arqsvc.families.genomes.figures.notation import UNKNOWN, bases, decimal, integer, percent

MOST_ROWS = 200
"""Rows of a table that the report prints; the files beside it hold all."""

MOST_OUTLIERS = 10
MIN_OUTLIER_CODONS = 100
"""Genes shorter than this are no outliers: their Nc says little."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `figure` for numbers, set to the right and sorted by value."""

    title: str
    figure: bool = False
    style: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """What is read, and what is sorted by; `sort` is empty where there is no value, which sorts last."""

    words: str
    sort: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the report; the first cell of a row is its heading."""

    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sortable: bool = True
    wide: bool = False


def text(words: str | None) -> Cell:
    """Return a cell of words, a dash for none."""
    return Cell(words or UNKNOWN)


def whole(value: int | None) -> Cell:
    """Return a cell of a count or a length in bp."""
    return Cell(UNKNOWN) if value is None else Cell(integer(value), str(value))


def real(value: float | None, digits: int) -> Cell:
    """Return a cell of a number with so many decimals, a dash for None and NaN."""
    if value is None or np.isnan(value):
        return Cell(UNKNOWN)
    return Cell(decimal(value, digits), repr(float(value)))


def share(value: float | None) -> Cell:
    """Return a cell of a fraction, read as percent."""
    return Cell(UNKNOWN) if value is None else Cell(percent(value), repr(float(value)))


def facts(title: str, rows: Sequence[tuple[str, str]], note: str = "") -> Table:
    """Return a table of names and values."""
    cells = tuple((Cell(name), Cell(value)) for name, value in rows)
    return Table(title, note, (Column("Measure"), Column("Value", figure=True)), cells, sortable=False)


def records(each: Sequence[RecordMeasurements]) -> Table:
    """Return the records of the file, longest first."""
    longest = sorted(each, key=lambda record: -record.length_bp)[:MOST_ROWS]
    columns = ("Record", "Definition", "Topology"), ("Length, bp", "GC", "CDS", "RNA genes")
    rows = tuple(
        (
            Cell(record.accession),
            text(record.definition),
            text(record.topology),
            whole(record.length_bp),
            share(record.statistics.gc),
            whole(record.genes.cds),
            whole(record.genes.trna + record.genes.rrna + record.genes.ncrna + record.genes.tmrna),
        )
        for record in longest
    )
    note = f"The {len(rows)} longest of {integer(len(each))}." if len(each) > len(rows) else ""
    heads = tuple(Column(title) for title in columns[0]) + tuple(Column(title, figure=True) for title in columns[1])
    return Table("Records", note, heads, rows, wide=True)


def sequence_facts(measurements: Measurements) -> Table:
    """Return what the nucleotides say."""
    said = measurements.statistics
    unsure = said.bases.get("N", 0) + said.bases.get("other", 0)
    rows = [
        ("Records", integer(said.records)),
        ("Length", bases(said.length_bp)),
        ("GC", percent(said.gc)),
        ("GC skew of the whole, (G − C)/(G + C)", decimal(said.gc_skew, 4)),
        ("AT skew of the whole, (A − T)/(A + T)", decimal(said.at_skew, 4)),
        ("Bases that are not A, C, G or T", integer(unsure)),
        ("Gaps (runs of N)", f"{integer(said.gaps)} ({bases(said.gap_bp)})" if said.gaps else "0"),
    ]
    if said.records > 1:
        rows += [
            ("N50 (L50)", f"{bases(said.n50_bp)} ({integer(said.l50)})"),
            ("N90 (L90)", f"{bases(said.n90_bp)} ({integer(said.l90)})"),
            ("auN", bases(said.aun_bp)),
            ("Longest, shortest", f"{bases(said.longest_bp)}, {bases(said.shortest_bp)}"),
        ]
    elif said.skew:
        places = (("Origin", said.skew.origin_bp), ("Terminus", said.skew.terminus_bp))
        rows += [(f"{name} by cumulative skew", bases(place_bp)) for name, place_bp in places if place_bp is not None]
    return facts("Sequence", rows)


def dinucleotide_odds(said: SequenceFacts) -> Table:
    """Return the sixteen odds, first base down, second across."""
    rows = tuple(
        (Cell(f"{first}·"), *(real(said.dinucleotide_odds.get(first + second), 3) for second in "ACGT"))
        for first in "ACGT"
    )
    columns = (Column("First base"), *(Column(f"·{second}", figure=True) for second in "ACGT"))
    note = "Pairs seen by pairs expected from the bases: 1 is as often as expected."
    return Table("Dinucleotide odds", note, columns, rows, sortable=False)


def features(said: GeneFacts) -> Table:
    """Return the features by type and strand."""
    columns = (Column("Feature"), *(Column(title, figure=True) for title in ("All", "Forward", "Reverse", "Both")))
    rows = tuple(
        (Cell(kind), *(whole(counts.get(strand, 0)) for strand in ("total", "forward", "reverse", "both")))
        for kind, counts in sorted(said.by_kind.items(), key=lambda item: -item[1]["total"])
    )
    return Table("Features by type and strand", "All that the file annotates, pseudo included.", columns, rows)


def gene_facts(said: GeneFacts) -> Table:
    """Return what the annotation says; of CDS only where there are any."""
    operons, overlaps = said.operons, said.overlaps
    lengths, between = said.cds_lengths, said.intergenic
    rows = [
        ("CDS and RNA genes per kb", decimal(said.gene_density_per_kb, 3)),
        ("Between genes, median", bases(between.median_bp)),
        ("Overlapping pairs of genes", f"{integer(overlaps.pairs)} ({bases(overlaps.overlap_bp)})"),
        (
            "Overlaps on one strand; on opposite strands",
            f"{integer(overlaps.same_strand)}; {integer(overlaps.opposite_strand)}",
        ),
    ]
    if said.cds:
        rows += [
            ("Coding density", percent(said.coding_density)),
            ("Coding density without pseudo CDS", percent(said.coding_density_intact)),
            ("Pseudo CDS", f"{integer(said.pseudo)} ({percent(said.pseudo_share)})"),
            ("Hypothetical CDS", f"{integer(said.hypothetical)} ({percent(said.hypothetical_share)})"),
            ("CDS length, median", bases(lengths.median_bp)),
            ("CDS length, 5 % to 95 %", f"{bases(lengths.q05_bp)} to {bases(lengths.q95_bp)}"),
            ("CDS length, shortest to longest", f"{bases(lengths.min_bp)} to {bases(lengths.max_bp)}"),
            (f"Operon candidates, gaps up to {operons.max_gap_bp} bp", integer(operons.operons)),
            ("CDS in operon candidates; in the largest", f"{integer(operons.genes)}; {integer(operons.largest)}"),
        ]
    return facts("Genes", rows)


def codon_facts(said: CodonUsage) -> Table:
    """Return the pooled numbers of codon usage."""
    reasons = [
        f"{integer(number)} {reason.replace('_', ' ')}" for reason, number in said.cds_left_out.items() if number
    ]
    tables = [f"{table} ({notation.count(cds, 'CDS', 'CDS')})" for table, cds in said.genetic_codes.items()]
    rows = [
        ("CDS read", integer(said.cds_used)),
        ("CDS left out", notation.listed(reasons) if reasons else "0"),
        ("Codons", integer(said.codons_total)),
        ("Translation table", notation.listed(tables) if tables else UNKNOWN),
        ("Nc, pooled", decimal(said.nc, 2)),
        ("GC of codons", percent(said.gc)),
        ("GC1, GC2, GC3", ", ".join(percent(value) for value in (said.gc1, said.gc2, said.gc3))),
        ("GC3s", percent(said.gc3s)),
        ("CAI, pooled", decimal(said.cai, 3)),
    ]
    return facts("Codon usage", rows, note=f"CAI: {said.cai_reference.reason}")


def codons(said: CodonUsage) -> Table:
    """Return all 64 codons, grouped by amino acid."""
    assert said.genetic_code is not None
    code = genetic_code(said.genetic_code)
    total = max(said.codons_total, 1)
    rows = tuple(
        (
            Cell(CODONS[row]),
            Cell(amino_acid),
            whole(int(said.counts[row])),
            real(1000 * int(said.counts[row]) / total, 1),
            real(float(said.rscu[row]), 2),
            whole(said.start_codons.get(CODONS[row], 0)),
            whole(said.stop_codons.get(CODONS[row], 0)),
        )
        for amino_acid, members in families(code)
        for row in members
    )
    heads = ("Count", "Per 1 000", "RSCU", "First in CDS", "Last in CDS")
    columns = (Column("Codon", style="id"), Column("Amino acid"), *(Column(title, figure=True) for title in heads))
    note = f"By translation table {said.genetic_code}, {code.name}. A partial CDS gives what it begins or ends with."
    return Table("Codons", note, columns, rows, wide=True)


def outliers(said: CodonUsage) -> Table | None:
    """Return the genes whose Nc lies farthest below Wright's curve; None where no gene is long enough."""
    genes = said.genes
    below: Floats = expected_nc(genes.gc3s) - genes.nc
    chosen = [
        row
        for row in np.argsort(-np.nan_to_num(below, nan=-99.0), kind="stable")
        if genes.codons[row] >= MIN_OUTLIER_CODONS
    ]
    chosen = [row for row in chosen if not np.isnan(below[row])][:MOST_OUTLIERS]
    if not chosen:
        return None
    rows = tuple(
        (
            Cell(genes.name[row]),
            text(genes.gene[row]),
            text(genes.product[row]),
            whole(int(genes.codons[row])),
            real(float(genes.nc[row]), 1),
            real(float(below[row]), 1),
            real(float(genes.gc3s[row]), 3),
            real(float(genes.cai[row]), 3),
        )
        for row in chosen
    )
    heads = ("Codons", "Nc", "Below the curve", "GC3s", "CAI")
    columns = (Column("Name"), Column("Gene"), Column("Product"), *(Column(title, figure=True) for title in heads))
    note = (
        f"Farthest below Wright's curve, of genes with at least {MIN_OUTLIER_CODONS} codons; codons.tsv has every gene."
    )
    return Table("Genes with the strongest codon preference", note, columns, rows, wide=True)


def findings(measurements: Measurements) -> Table:
    """Return what validation found, errors first."""
    shown = measurements.findings[:MOST_ROWS]
    rows = tuple(
        (
            Cell(found.level, mark=f"level-{found.level}"),
            Cell(" ".join(word for word in (found.feature, found.name) if word) or found.record),
            Cell(found.message),
            Cell(found.location),
            Cell(found.code),
        )
        for found in shown
    )
    more = len(measurements.findings) - len(shown)
    note = (
        f"The first {MOST_ROWS}; {integer(more)} more in validation.tsv."
        if more
        else "Names are those of NCBI's validator."
    )
    columns = (
        Column("Level", style="level"),
        Column("Where", style="where"),
        Column("What it means", style="message"),
        Column("Location", style="location"),
        Column("Name"),
    )
    return Table("Findings", note, columns, rows)
