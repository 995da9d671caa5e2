"""Codon usage: counts, RSCU, Nc, G+C by position, CAI, starts and stops; per CDS and pooled.

RSCU
    Count of a codon by the mean count of its family. Sharp & Li 1987, doi:10.1093/nar/15.3.1281. Oracle: codonW.
Nc
    n1 + sum over degeneracies d of n_d / mean F(d), where F = (n sum p^2 - 1)/(n - 1). Wright 1990,
    doi:10.1016/0378-1119(90)90491-9. Oracle: codonW, every gene of the test genomes.
GC1, GC2, GC3, GC3s
    G or C at each position of all codons; GC3s at third positions of codons that have synonyms. Oracles: EMBOSS cusp;
    codonW.
CAI
    exp of the mean ln w, w being a codon's count by the greatest of its family in a reference set. Sharp & Li 1987.
    Oracle: codonW.

Conventions. Start and stop codons are counted. Nc leaves out families with one codon read or with F <= 0; the family
of degeneracy 3, if it is the only one and lost, has the mean F of degeneracies 2 and 4; any other empty degeneracy
makes Nc undefined; Nc is at most 61 under every code, as in codonW. CAI leaves out stops and single-codon families
(Met and Trp in the standard code), as codonW does and EMBOSS `cai` does not; a codon that the reference never uses
counts as 0.5 there (Bulmer 1988, doi:10.1046/j.1420-9101.1988.1010015.x), and a family that it never uses is left
out.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arqsvc.bio.genetic_code import CODONS, GeneticCode, genetic_code
from arqsvc.errors import BadInput
from arqsvc.families.genomes.compute.coding import AMBIGUOUS, Coding
from arqsvc.families.genomes.compute.measurements import CaiReference, CodonUsage, Floats, GeneCodons
from arqsvc.families.genomes.compute.record import Flags, Integers, Record

MAX_NC = 61.0
"""Sense codons of the standard code; Nc above it is noise of short genes."""

MIN_REFERENCE_GENES = 10
"""Fewest ribosomal protein genes that CAI takes as its reference."""

_RIBOSOMAL_PROTEIN = re.compile(
    r"(?:(?:[2-8]\d ?S|[ls]su|large|small|putative|probable|mitochondrial|chloroplast|plastid|acidic)"
    r" (?:subunit )?)*ribosomal (?:(?:subunit )?protein (?:[bue]?[SL]\d+[a-z]{0,2}|P\d)|[SL]\d+[a-z]{0,2} protein)"
    r"(?:[ /-]\w{1,6}| type Z| \([SL]\d+[a-z]{0,2}\)|,? (?:putative|mitochondrial))?",
    re.IGNORECASE,
)
_LETTERS = np.array([[nucleotide in "GC" for nucleotide in codon] for codon in CODONS])


def effective_number_of_codons(counts: NDArray[np.int64], code: GeneticCode) -> Floats:
    """Return Nc of each row, NaN where it is undefined.

    Args:
        counts: int64[n, 64].
        code: whose families and degeneracies count.
    """
    total, homozygosity = _homozygosity(counts, code)
    usable = (total > 1) & (homozygosity > 0)
    degeneracy = np.array([code.degeneracy[code.family == family][0] for family in range(len(code.family_letters))])
    sense = np.array([letter != "*" for letter in code.family_letters])
    nc: Floats = np.full(len(counts), float((sense & (degeneracy == 1)).sum()))
    means: dict[int, Floats] = {}
    for size in sorted(set(degeneracy[sense & (degeneracy > 1)].tolist())):
        members = sense & (degeneracy == size)
        found = usable[:, members]
        with np.errstate(invalid="ignore"):
            means[size] = np.where(found, homozygosity[:, members], 0).sum(1) / found.sum(1)
    if 3 in means and (sense & (degeneracy == 3)).sum() == 1 and {2, 4} <= means.keys():
        means[3] = np.where(np.isnan(means[3]), (means[2] + means[4]) / 2, means[3])
    for size, mean in means.items():
        nc += (sense & (degeneracy == size)).sum() / mean
    return np.minimum(nc, MAX_NC)


def _homozygosity(counts: NDArray[np.int64], code: GeneticCode) -> tuple[NDArray[np.int64], Floats]:
    """Return codons read and F of each family; [n, families]; NaN or infinite where fewer than two codons are read."""
    order = np.argsort(code.family, kind="stable")
    first = np.searchsorted(code.family[order], np.arange(len(code.family_letters)))
    by_family = counts.T[order]
    total = np.add.reduceat(by_family, first, axis=0).T
    squares = np.add.reduceat(by_family * by_family, first, axis=0).T
    with np.errstate(invalid="ignore", divide="ignore"):
        homozygosity: Floats = (squares / total - 1) / (total - 1)
    return total, homozygosity


def gc_at_synonymous_thirds(counts: NDArray[np.int64], code: GeneticCode) -> Floats:
    """Return GC3s of each row of int64[n, 64]; NaN where no codon has a synonym."""
    return _share(counts, code.synonymous & _LETTERS[:, 2], code.synonymous)


def relative_synonymous_usage(counts: Integers, code: GeneticCode) -> Floats:
    """Return RSCU of int64[64], the stops a family of their own; NaN in a family that is not seen."""
    family_total = np.bincount(code.family, counts)[code.family]
    with np.errstate(invalid="ignore"):
        return code.degeneracy * counts / family_total


def cai_weights(reference: Integers, code: GeneticCode) -> Floats:
    """Return w of each codon from the pooled counts of a reference; float64[64], NaN where left out."""
    used = np.where(reference > 0, reference.astype(np.float64), 0.5)
    greatest = np.zeros(len(code.family_letters))
    np.maximum.at(greatest, code.family, used)
    seen = np.bincount(code.family, reference)[code.family] > 0
    return np.where(code.synonymous & seen, used / greatest[code.family], np.nan)


def codon_adaptation(counts: NDArray[np.int64], weights: Floats) -> Floats:
    """Return CAI of each row of int64[n, 64]; NaN without any codon that has a weight."""
    weighed = ~np.isnan(weights)
    own = counts[:, weighed]
    with np.errstate(invalid="ignore"):
        adaptation: Floats = np.exp((own * np.log(weights[weighed])).sum(1) / own.sum(1))
    return adaptation


def _share(counts: NDArray[np.int64], part: Flags, whole: Flags) -> Floats:
    """Return the share of codons in `whole` that are in `part`, by row."""
    with np.errstate(invalid="ignore"):
        share: Floats = (counts @ part.astype(np.int64)) / (counts @ whole.astype(np.int64))
    return share


def measure_codons(
    records: Sequence[Record], codings: Sequence[Coding], *, cai_reference: Sequence[str] | None = None
) -> tuple[CodonUsage, list[CodonUsage]]:
    """Return codon usage of the file and of each record.

    CAI has one reference for the whole file, so that its records can be compared.

    Args:
        records: of the file.
        codings: their codons, in the same order.
        cai_reference: locus tags, genes or protein ids of the reference set; None takes the ribosomal protein genes of
            the file, if there are at least `MIN_REFERENCE_GENES`.

    Raises:
        BadInput: `unknown_cai_reference`, a name that no CDS used has.
    """
    genes = _genes(records, codings)
    reference = _reference(genes, cai_reference)
    genes.cai[:] = codon_adaptation(genes.counts, reference.weights)
    pooled = _usage(genes, reference, _left_out(records, codings), _ends(codings))
    if len(records) == 1:
        return pooled, [pooled]
    each = [
        _usage(_of_record(genes, place), reference, _left_out([record], [coding]), _ends([coding]))
        for place, (record, coding) in enumerate(zip(records, codings, strict=True))
    ]
    return pooled, each


def _genes(records: Sequence[Record], codings: Sequence[Coding]) -> GeneCodons:
    """Return the CDS that count, CAI not yet known."""
    place = np.repeat(np.arange(len(records)), [int(coding.counted.sum()) for coding in codings])
    feature = np.concatenate([coding.feature[coding.counted] for coding in codings])
    code = np.concatenate([coding.genetic_code[coding.counted] for coding in codings])
    counts = np.concatenate([coding.counts[coding.counted, :AMBIGUOUS] for coding in codings])
    at = list(zip(place.tolist(), feature.tolist(), strict=True))
    features = [record.features for record in records]
    codons = counts.sum(1)
    by_position = [_share(counts, _LETTERS[:, position], np.ones(64, bool)) for position in range(3)]
    nc, gc3s = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    for number in np.unique(code).tolist():
        rows = code == number
        nc[rows] = effective_number_of_codons(counts[rows], genetic_code(number))
        gc3s[rows] = gc_at_synonymous_thirds(counts[rows], genetic_code(number))
    return GeneCodons(
        record=place,
        feature=feature,
        genetic_code=code,
        name=tuple([features[i].name(row) or f"CDS {row}" for i, row in at]),
        gene=tuple([features[i].gene[row] for i, row in at]),
        product=tuple([features[i].product[row] for i, row in at]),
        strand=np.concatenate(
            [
                record.features.strand[coding.feature[coding.counted]]
                for record, coding in zip(records, codings, strict=True)
            ]
        ),
        length_bp=3 * codons,
        codons=codons,
        counts=counts,
        nc=nc,
        gc=(by_position[0] + by_position[1] + by_position[2]) / 3,
        gc1=by_position[0],
        gc2=by_position[1],
        gc3=by_position[2],
        gc3s=gc3s,
        cai=np.full(len(counts), np.nan),
    )


def _of_record(genes: GeneCodons, place: int) -> GeneCodons:
    """Return the rows of one record."""
    rows = slice(*np.searchsorted(genes.record, [place, place + 1]).tolist())
    return GeneCodons(**{name: getattr(genes, name)[rows] for name in GeneCodons.__slots__})


def _left_out(records: Sequence[Record], codings: Sequence[Coding]) -> dict[str, int]:
    """Return how many CDS do not count, by the first reason that holds."""
    left_out = dict.fromkeys(("pseudo", "not_joined", "not_in_record", "broken_codon", "ambiguous_bases", "empty"), 0)
    for record, coding in zip(records, codings, strict=True):
        rest = ~coding.counted
        pseudo, joined = record.features.pseudo[coding.feature], record.features.joined[coding.feature]
        for reason, holds in (
            ("pseudo", pseudo),
            ("not_joined", ~joined),
            ("not_in_record", ~coding.readable),
            ("broken_codon", coding.rest_bp > 0),
            ("ambiguous_bases", coding.ambiguous > 0),
            ("empty", coding.codons == 0),
        ):
            left_out[reason] += int((rest & holds).sum())
            rest &= ~holds
    return left_out


def _ends(codings: Sequence[Coding]) -> tuple[dict[str, int], dict[str, int]]:
    """Return first and last codons of the CDS that count, by falling count."""
    first = np.concatenate([coding.codon[coding.offset[:-1][coding.counted]] for coding in codings])
    last = np.concatenate([coding.codon[coding.offset[1:][coding.counted] - 1] for coding in codings])
    return _tally(first), _tally(last)


def _tally(codons: NDArray[np.uint8]) -> dict[str, int]:
    counts = np.bincount(codons, minlength=64)
    return {CODONS[codon]: int(counts[codon]) for codon in np.argsort(-counts, kind="stable") if counts[codon]}


def _usage(
    genes: GeneCodons, reference: CaiReference, left_out: dict[str, int], ends: tuple[dict[str, int], dict[str, int]]
) -> CodonUsage:
    """Return the pooled numbers of these CDS."""
    numbers, cds = np.unique(genes.genetic_code, return_counts=True)
    main = int(numbers[np.argmax(cds)]) if len(numbers) else None
    counts = genes.counts.sum(0)
    of_main = genes.counts[genes.genetic_code == main].sum(0) if len(numbers) > 1 else counts
    nc, gc3s, rscu = None, None, np.full(64, np.nan)
    if main is not None:
        code = genetic_code(main)
        nc = defined(effective_number_of_codons(of_main[None], code)[0])
        gc3s = defined(gc_at_synonymous_thirds(of_main[None], code)[0])
        rscu = relative_synonymous_usage(of_main, code)
    every = np.ones(64, bool)
    positions = [defined(_share(counts[None], _LETTERS[:, position], every)[0]) for position in range(3)]
    return CodonUsage(
        genetic_code=main,
        genetic_codes=dict(zip(numbers.tolist(), cds.tolist(), strict=True)),
        cds_used=len(genes.name),
        cds_left_out=left_out,
        codons_total=int(counts.sum()),
        counts=counts,
        rscu=rscu,
        nc=nc,
        gc=None if positions[0] is None else sum(share or 0.0 for share in positions) / 3,
        gc1=positions[0],
        gc2=positions[1],
        gc3=positions[2],
        gc3s=gc3s,
        cai=defined(codon_adaptation(counts[None], reference.weights)[0]),
        cai_reference=reference,
        start_codons=ends[0],
        stop_codons=ends[1],
        genes=genes,
    )


def defined(value: float) -> float | None:
    """Return a number, or None for NaN."""
    return None if np.isnan(value) else float(value)


def _reference(genes: GeneCodons, wanted: Sequence[str] | None) -> CaiReference:
    """Return the reference set of CAI and its weights."""
    if wanted is None:
        chosen = [row for row, product in enumerate(genes.product) if is_ribosomal_protein(product)]
        if len(chosen) < MIN_REFERENCE_GENES:
            return CaiReference(
                "none",
                (),
                f"The file has {len(chosen)} ribosomal protein genes; CAI needs at least {MIN_REFERENCE_GENES}, "
                "or a reference set given by name.",
                np.full(64, np.nan),
            )
        reason = f"The {len(chosen)} ribosomal protein genes of the file, found by product."
    else:
        chosen = _rows_named(genes, wanted)
        reason = f"{len(chosen)} CDS that the caller named."
    code = genetic_code(int(np.bincount(genes.genetic_code[chosen]).argmax()))
    weights = cai_weights(genes.counts[chosen].sum(0), code)
    names = tuple(genes.name[row] for row in chosen)
    return CaiReference("ribosomal proteins" if wanted is None else "given", names, reason, weights)


def _rows_named(genes: GeneCodons, wanted: Sequence[str]) -> list[int]:
    """Return the CDS that have one of these names, as locus tag or gene."""
    known = {name: row for names in (genes.gene, genes.name) for row, name in enumerate(names) if name is not None}
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise BadInput(
            f"The reference set of CAI names {unknown[0]!r}, which no CDS used here has. Give names of the file."
            if unknown
            else "The reference set of CAI is empty. Name at least one CDS, or leave it out.",
            reason="unknown_cai_reference",
        )
    return sorted({known[name] for name in wanted})


def is_ribosomal_protein(product: str | None) -> bool:
    """Return whether a product is a protein of the ribosome, not an enzyme that works on one.

    >>> is_ribosomal_protein("30S ribosomal subunit protein S20")
    True
    >>> is_ribosomal_protein("ribosomal protein L11 methyltransferase")
    False
    """
    return product is not None and "ibosomal" in product and _RIBOSOMAL_PROTEIN.fullmatch(product) is not None
