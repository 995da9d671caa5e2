"""What the annotation says: features, lengths, coding density, overlaps, gaps between genes, operon candidates.

A gene here is a CDS or an RNA (`RNA_KINDS`), pseudo included; `gene` features repeat them and are only counted.

coding density
    Nucleotides in at least one CDS by the length: the union, introns out, overlaps once. Pseudo CDS are in; a second
    density is without them.
overlaps
    Pairs of genes of two loci whose parts share nucleotides.
intergenic
    Stretches that no gene spans, introns being inside a gene. The one over the origin of a circle is one; the two
    ends of a line are none.
operon candidates
    Runs of two or more neighbouring CDS on one strand, no RNA gene between, each beginning at most 50 nt after the
    end of the last. That near, most pairs of E. coli are of one operon: Salgado et al. 2000,
    doi:10.1073/pnas.110147297.
hypothetical
    The product says hypothetical, uncharacterized, unknown function, unnamed or predicted protein.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from arqsvc.families.genomes.compute.measurements import GeneFacts, LengthQuantiles, Operons, Overlaps
from arqsvc.families.genomes.compute.record import Features, Flags, Integers, Record

RNA_KINDS = ("tRNA", "rRNA", "ncRNA", "tmRNA", "misc_RNA", "scRNA", "snRNA", "snoRNA")
"""Feature keys of genes that are no CDS."""

OPERON_GAP_BP = 50
"""Greatest distance of neighbours in an operon candidate."""

_HYPOTHETICAL = re.compile("hypothetical|uncharacteri[sz]ed|un(?:known function|named)|predicted protein")
_STRAND_NAMES = {1: "forward", -1: "reverse", 0: "both"}


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """The genes of one record, as far as they add up over records."""

    length_bp: int
    kinds: Counter[tuple[str, int]]
    """Features by key and strand."""

    pseudo: Counter[str]
    """Features marked pseudo by key."""

    rna_genes: int
    hypothetical: int
    coding_bp: int
    intact_bp: int
    cds_length_bp: Integers
    intergenic_bp: Integers
    overlaps: Overlaps
    operon_sizes: Integers


def measure_genes(records: Sequence[Record]) -> tuple[GeneFacts, list[GeneFacts]]:
    """Return the facts of all records together and of each."""
    layouts = [_layout(record) for record in records]
    each = [_facts([layout]) for layout in layouts]
    return (each[0] if len(each) == 1 else _facts(layouts)), each


def _layout(record: Record) -> _Layout:
    features = record.features
    kinds = np.array(features.kind, dtype=object)
    is_cds = kinds == "CDS"
    is_gene = (is_cds | np.isin(features.kind, RNA_KINDS)) & (features.length_bp > 0)
    genes = np.flatnonzero(is_gene)
    cds = np.flatnonzero(is_cds)
    products = [features.product[row] for row in np.flatnonzero(is_cds & ~features.pseudo)]
    return _Layout(
        length_bp=record.length_bp,
        kinds=Counter(zip(features.kind, features.strand.tolist(), strict=True)),
        pseudo=Counter(features.kind[row] for row in np.flatnonzero(features.pseudo)),
        rna_genes=int(is_gene.sum() - (is_cds & is_gene).sum()),
        hypothetical=sum(product is not None and is_hypothetical(product) for product in products),
        coding_bp=_covered_bp(features, cds),
        intact_bp=_covered_bp(features, np.flatnonzero(is_cds & ~features.pseudo)),
        cds_length_bp=features.length_bp[np.flatnonzero(is_cds & is_gene)],
        intergenic_bp=_intergenic(record, genes),
        overlaps=_overlaps(features, genes),
        operon_sizes=_operon_sizes(record, genes, is_cds),
    )


def _facts(layouts: Sequence[_Layout]) -> GeneFacts:
    total: Counter[tuple[str, int]] = sum((layout.kinds for layout in layouts), Counter())
    pseudo: Counter[str] = sum((layout.pseudo for layout in layouts), Counter())
    by_kind: dict[str, dict[str, int]] = {}
    for (kind, strand), count in sorted(total.items()):
        row = by_kind.setdefault(kind, {"total": 0, "forward": 0, "reverse": 0, "both": 0})
        row["total"] += count
        row[_STRAND_NAMES[strand]] += count
    number = {kind: row["total"] for kind, row in by_kind.items()}
    cds = number.get("CDS", 0)
    length_bp = sum(layout.length_bp for layout in layouts)
    hypothetical = sum(layout.hypothetical for layout in layouts)
    intact = cds - pseudo["CDS"]
    coding_bp = sum(layout.coding_bp for layout in layouts)
    lengths = np.concatenate([layout.cds_length_bp for layout in layouts])
    intergenic = np.concatenate([layout.intergenic_bp for layout in layouts])
    return GeneFacts(
        by_kind=by_kind,
        genes=number.get("gene", 0),
        cds=cds,
        trna=number.get("tRNA", 0),
        rrna=number.get("rRNA", 0),
        ncrna=number.get("ncRNA", 0),
        tmrna=number.get("tmRNA", 0),
        pseudo=pseudo["CDS"],
        pseudo_genes=pseudo["gene"],
        pseudo_share=pseudo["CDS"] / cds if cds else None,
        hypothetical=hypothetical,
        hypothetical_share=hypothetical / intact if intact else None,
        coding_bp=coding_bp,
        coding_density=coding_bp / length_bp,
        coding_density_intact=sum(layout.intact_bp for layout in layouts) / length_bp,
        gene_density_per_kb=1000 * (cds + sum(layout.rna_genes for layout in layouts)) / length_bp,
        cds_length_bp=lengths,
        cds_lengths=quantiles(lengths),
        intergenic_bp=intergenic,
        intergenic=quantiles(intergenic),
        overlaps=_overlap_facts(layouts),
        operons=_operon_facts(layouts),
    )


def _overlap_facts(layouts: Sequence[_Layout]) -> Overlaps:
    each = [layout.overlaps for layout in layouts]
    return Overlaps(
        pairs=sum(one.pairs for one in each),
        overlap_bp=sum(one.overlap_bp for one in each),
        same_strand=sum(one.same_strand for one in each),
        opposite_strand=sum(one.opposite_strand for one in each),
    )


def _operon_facts(layouts: Sequence[_Layout]) -> Operons:
    sizes = np.concatenate([layout.operon_sizes for layout in layouts])
    return Operons(OPERON_GAP_BP, len(sizes), int(sizes.sum()), int(sizes.max(initial=0)), sizes)


def quantiles(lengths: Integers) -> LengthQuantiles:
    """Return count, mean and quantiles of lengths, all but the count None without any."""
    if len(lengths) == 0:
        return LengthQuantiles(0, None, None, None, None, None, None, None, None)
    q05, q25, median, q75, q95 = np.quantile(lengths, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist()
    return LengthQuantiles(
        len(lengths), float(lengths.mean()), int(lengths.min()), q05, q25, median, q75, q95, int(lengths.max())
    )


def is_hypothetical(product: str) -> bool:
    """Return whether a product says that nothing is known of it."""
    return _HYPOTHETICAL.search(product.lower()) is not None


def _part_rows(features: Features, rows: Integers) -> tuple[Integers, Integers]:
    """Return the parts of these features and, for each, its place in `rows`."""
    counts = np.diff(features.part_offset)[rows]
    place = np.repeat(np.arange(len(rows)), counts)
    first = np.repeat(features.part_offset[:-1][rows] - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
    return first + np.arange(len(place)), place


def _covered_bp(features: Features, rows: Integers) -> int:
    """Return the nucleotides in at least one part of these features."""
    parts, _ = _part_rows(features, rows)
    begin, end = merged(features.part_start0[parts], features.part_end0[parts])
    return int((end - begin).sum())


def merged(start0: Integers, end0: Integers) -> tuple[Integers, Integers]:
    """Return the union of intervals as intervals that neither touch nor overlap, ascending.

    >>> merged(np.array([5, 0, 2]), np.array([9, 3, 4]))
    (array([0, 5]), array([4, 9]))
    """
    if len(start0) == 0:
        return start0, end0
    order = np.argsort(start0, kind="stable")
    start0, reach = start0[order], np.maximum.accumulate(end0[order])
    first = np.concatenate(([True], start0[1:] > reach[:-1]))
    last = np.append(first[1:], True)
    return start0[first], reach[last]


def _overlaps(features: Features, rows: Integers) -> Overlaps:
    """Return pairs of genes of two loci that share nucleotides: all pairs that do, less those of one locus.

    Memory is linear in the parts; so is time, but for a gene of several stretches, which is held against its
    neighbours by itself.
    """
    start0, end0, gene = _stretches(features, rows)
    locus, strand = _loci(features, rows), features.strand[rows].astype(np.int64)
    relatives = np.bincount(locus, minlength=1)[locus][gene] > 1
    apart = int(end0.max(initial=0)) + 1
    by_locus, by_strand = locus[gene] * apart, (strand[gene] + 1) * apart
    by_both = 3 * by_locus + by_strand
    overlap_bp = _shared_bp(start0, end0) - _shared_bp(*[(place + by_locus)[relatives] for place in (start0, end0)])
    single = np.bincount(gene, minlength=len(rows))[gene] == 1
    of_one_locus = single & relatives
    pairs = _meeting(start0[single], end0[single])
    pairs -= _meeting(*[(place + by_locus)[of_one_locus] for place in (start0, end0)])
    same = _meeting(*[(place + by_strand)[single] for place in (start0, end0)])
    same -= _meeting(*[(place + by_both)[of_one_locus] for place in (start0, end0)])
    for own, others in _met_by_scattered(start0, end0, gene):
        others = others[locus[others] != locus[own]]
        pairs += len(others)
        same += int((strand[others] == strand[own]).sum())
    return Overlaps(pairs, overlap_bp, same, pairs - same)


def _stretches(features: Features, rows: Integers) -> tuple[Integers, Integers, Integers]:
    """Return start, end and gene, as place in `rows`, of the stretches that each gene covers, gene by gene."""
    parts, gene = _part_rows(features, rows)
    filled = features.part_end0[parts] > features.part_start0[parts]
    parts, gene = parts[filled], gene[filled]
    apart = int(features.part_end0[parts].max(initial=0)) + 1
    begin, end = merged(features.part_start0[parts] + gene * apart, features.part_end0[parts] + gene * apart)
    gene = begin // apart
    return begin - gene * apart, end - gene * apart, gene


def _shared_bp(start0: Integers, end0: Integers) -> int:
    """Return the nucleotides that two of these stretches share, over all pairs."""
    places = np.concatenate((start0, end0))
    order = np.argsort(places)
    depth = np.cumsum(np.where(order < len(start0), 1, -1))[:-1]
    return int((depth * (depth - 1) // 2 * np.diff(places[order])).sum())


def _meeting(start0: Integers, end0: Integers) -> int:
    """Return the pairs of these stretches that share nucleotides."""
    order = np.argsort(start0)
    return int((np.searchsorted(start0[order], end0[order]) - np.arange(1, len(order) + 1)).sum())


def _met_by_scattered(start0: Integers, end0: Integers, gene: Integers) -> Iterator[tuple[int, Integers]]:
    """Yield each gene of several stretches, and the genes that share nucleotides with it; a pair of two such once."""
    stretches = np.bincount(gene)
    order = np.argsort(start0, kind="stable")
    starts, ends, genes = start0[order], end0[order], gene[order]
    low = np.searchsorted(np.maximum.accumulate(ends), start0, "right").tolist()
    high = np.searchsorted(starts, end0).tolist()
    first = np.cumsum(stretches) - stretches
    met = np.zeros(len(stretches), bool)
    for own in np.flatnonzero(stretches > 1).tolist():
        for place in range(first[own], first[own] + stretches[own]):
            near = slice(low[place], high[place])
            met[genes[near][ends[near] > start0[place]]] = True
        others = np.flatnonzero(met)
        met[others] = False
        yield own, others[(stretches[others] == 1) | (others > own)]


def _loci(features: Features, rows: Integers) -> Integers:
    """Return a number for each gene, the same for products of one locus."""
    numbers: dict[str | int, int] = {}
    names = [features.locus_tag[row] or features.gene[row] or row for row in rows.tolist()]
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)


def _intergenic(record: Record, rows: Integers) -> Integers:
    """Return the stretches that no gene spans, ascending by place."""
    features, size = record.features, record.length_bp
    scattered = rows[features.strand[rows] == 0]
    parts, _ = _part_rows(features, scattered)
    whole = rows[features.strand[rows] != 0]
    start0 = np.concatenate((features.start0[whole], features.part_start0[parts]))
    end0 = np.concatenate((features.end0[whole], features.part_end0[parts]))
    over = end0 - size
    if record.circular:
        start0 = np.concatenate((start0, np.zeros((over > 0).sum(), np.int64)))
        end0 = np.concatenate((end0, over[over > 0]))
    begin, end = merged(start0.clip(0, size), end0.clip(0, size))
    gaps = begin[1:] - end[:-1]
    if record.circular and len(begin):
        gaps = np.append(gaps, begin[0] + size - end[-1])
    return gaps[gaps > 0]


def _operon_sizes(record: Record, genes: Integers, is_cds: Flags) -> Integers:
    """Return the CDS in each operon candidate, in the order of the record."""
    features = record.features
    genes = genes[features.strand[genes] != 0]
    _, first_of_locus = np.unique(_loci(features, genes), return_index=True)
    genes = genes[np.sort(first_of_locus)]
    genes = genes[np.argsort(features.start0[genes], kind="stable")]
    if len(genes) < 2:
        return np.zeros(0, np.int64)
    start0, end0, strand, coding = features.start0[genes], features.end0[genes], features.strand[genes], is_cds[genes]
    following = np.roll(np.arange(len(genes)), -1)
    gap = start0[following] - end0
    gap[-1] += record.length_bp
    linked = (gap <= OPERON_GAP_BP) & (strand == strand[following]) & coding & coding[following]
    linked[-1] &= record.circular
    if linked.all():
        return np.array([len(genes)])
    breaks = np.flatnonzero(~linked)
    sizes = np.roll(np.diff(np.append(breaks, breaks[0] + len(genes))), 1)
    return sizes[sizes > 1]
