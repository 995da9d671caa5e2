"""What a curator should know of a file, under the names of NCBI's validator.

An error contradicts itself or biology; a warning should be looked at; a notice explains what looks wrong and is
right. The names: www.ncbi.nlm.nih.gov/genbank/genome_validation.

SEQ_FEAT.InternalStop, NoStop, StartCodon, TransLen, MisMatchAA, PartialProblem, ShortIntron, MixedStrand,
GenCodeInvalid
    A CDS does not read as it says, see `translation.py`.
SEQ_FEAT.InvalidQualifierValue
    A /codon_start, /transl_table or /transl_except that cannot be read.
SEQ_FEAT.GenCodeMismatch
    CDS of one record read by several genetic codes, or by another than annotated because the caller asked.
SEQ_FEAT.Range
    A location beyond the sequence, backwards, or unreadable.
SEQ_FEAT.FarLocation
    Parts in another record: not checked.
SEQ_FEAT.FeatureBeginsOrEndsInGap
    An end of a gene lies in a run of N.
SEQ_FEAT.CDSgeneRange
    A CDS or RNA reaches out of the gene of its locus tag.
SEQ_FEAT.CollidingLocusTags
    One locus tag on two genes.
SEQ_INST.TerminalNs, InternalNsInSeqRaw, HighNContentPercent
    N where sequence should be.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from arqsvc.families.genomes.compute.coding import Coding
from arqsvc.families.genomes.compute.genes import RNA_KINDS
from arqsvc.families.genomes.compute.location import parse_location
from arqsvc.families.genomes.compute.measurements import Finding, Level
from arqsvc.families.genomes.compute.record import Record
from arqsvc.families.genomes.compute.statistics import GAP_BP, n_runs
from arqsvc.families.genomes.compute.translation import check_translations, finding

LONG_N_RUN_BP = 100
"""From this length a run of N without a gap feature is reported."""

HIGH_N_SHARE = 0.05
"""Above this share of N a record is reported."""

_LEVELS = ("error", "warning", "notice")


def validate(
    records: Sequence[Record], codings: Sequence[Coding], *, genetic_code: int | None = None
) -> tuple[tuple[Finding, ...], list[tuple[Finding, ...]]]:
    """Return the findings of the file and of each record: errors, then warnings, then notices, each in order."""
    each = [
        [
            *_check_sequence(record),
            *_check_ranges(record),
            *_check_gap_ends(record),
            *_check_nesting(record),
            *_check_codes(record, coding, genetic_code),
            *check_translations(record, coding),
        ]
        for record, coding in zip(records, codings, strict=True)
    ]
    for place, colliding in _colliding_locus_tags(records):
        each[place].append(colliding)
    everything = tuple(ranked([one for findings in each for one in findings]))
    return everything, [tuple(ranked(findings)) for findings in each]


def ranked(findings: list[Finding]) -> list[Finding]:
    """Return findings by falling level, else in their order."""
    return sorted(findings, key=lambda one: _LEVELS.index(one.level))


def _check_sequence(record: Record) -> Iterator[Finding]:
    """Yield what runs of N say."""
    start0, end0 = n_runs(record.nucleotides)
    if len(start0) == 0:
        return
    total = int((end0 - start0).sum())
    if start0[0] == 0 or end0[-1] == record.length_bp:
        message = "The sequence begins or ends with N. Expected a known base at both ends; trim it."
        yield _of_record("warning", "SEQ_INST.TerminalNs", record, message)
    if total > HIGH_N_SHARE * record.length_bp:
        message = f"{total:,} of {record.length_bp:,} bases are N; expected at most {HIGH_N_SHARE:.0%} of them."
        yield _of_record("warning", "SEQ_INST.HighNContentPercent", record, message)
    features = record.features
    annotated = {features.start0[row] for row, kind in enumerate(features.kind) if kind in ("assembly_gap", "gap")}
    long = [
        (begin, end)
        for begin, end in zip(start0.tolist(), end0.tolist(), strict=True)
        if end - begin >= LONG_N_RUN_BP and begin not in annotated
    ]
    if long:
        message = (
            f"{len(long)} runs of at least {LONG_N_RUN_BP} N are not annotated as assembly_gap, "
            f"the first at {long[0][0] + 1}..{long[0][1]}."
        )
        yield _of_record("warning", "SEQ_INST.InternalNsInSeqRaw", record, message)


def _of_record(level: Level, code: str, record: Record, message: str) -> Finding:
    return Finding(level, code, record.accession, "", "", "", message)


def _check_ranges(record: Record) -> Iterator[Finding]:
    """Yield features whose location cannot be, or is elsewhere."""
    features = record.features
    for row, text in sorted(features.unsound.items()):
        if parse_location(text).parts:
            message = (
                f"The location leaves the sequence, which ends at {record.length_bp}, or runs backwards; "
                "what lies outside or runs backwards is not measured. Correct it."
            )
        else:
            message = "The location cannot be read. Correct it."
        yield finding("error", "SEQ_FEAT.Range", record, row, message)
    for row in np.flatnonzero(features.remote).tolist():
        message = "Parts of the location lie in another record; what needs them is not measured or checked."
        yield finding("notice", "SEQ_FEAT.FarLocation", record, row, message)


def _check_gap_ends(record: Record) -> Iterator[Finding]:
    """Yield genes, CDS and RNA that begin or end in a gap."""
    start0, end0 = n_runs(record.nucleotides)
    gaps = end0 - start0 >= GAP_BP
    if not gaps.any():
        return
    in_gap = np.zeros(record.length_bp + 1, bool)
    for begin, end in zip(start0[gaps].tolist(), end0[gaps].tolist(), strict=True):
        in_gap[begin:end] = True
    features = record.features
    first = features.start0.clip(0, record.length_bp)
    last = (features.end0 - 1).clip(0, record.length_bp)
    for row in np.flatnonzero((in_gap[first] | in_gap[last]) & (features.length_bp > 0)).tolist():
        if features.kind[row] in ("gene", "CDS", *RNA_KINDS):
            message = f"An end lies in a gap of at least {GAP_BP} N. Trim the feature, and mark that end partial."
            yield finding("warning", "SEQ_FEAT.FeatureBeginsOrEndsInGap", record, row, message)


def _check_nesting(record: Record) -> Iterator[Finding]:
    """Yield CDS and RNA that reach out of the one gene of their locus tag, or lie on its other strand."""
    features = record.features
    genes: dict[str, list[int]] = defaultdict(list)
    products = []
    for row, (kind, tag) in enumerate(zip(features.kind, features.locus_tag, strict=True)):
        if tag is None:
            continue
        if kind == "gene":
            genes[tag].append(row)
        elif kind == "CDS" or kind in RNA_KINDS:
            products.append(row)
    pairs = [(row, of[0]) for row in products if len(of := genes.get(features.locus_tag[row] or "", [])) == 1]
    product, gene = np.array(pairs, np.int64).reshape(-1, 2).T
    start0, end0, strand = features.start0, features.end0, features.strand
    outside = (start0[product] < start0[gene]) | (end0[product] > end0[gene])
    if record.circular:
        before = start0[product] + record.length_bp
        outside &= (before < start0[gene]) | (end0[product] + record.length_bp > end0[gene])
    turned = strand[product] * strand[gene] < 0
    scattered = (strand[product] == 0) | (strand[gene] == 0) | (features.length_bp[product] == 0)
    for row, of in zip(product[(outside | turned) & ~scattered], gene[(outside | turned) & ~scattered], strict=True):
        message = (
            f"Its gene lies at {features.location(of)}. Expected a gene that spans its product, on the same strand."
        )
        yield finding("warning", "SEQ_FEAT.CDSgeneRange", record, int(row), message)


def _check_codes(record: Record, coding: Coding, asked: int | None) -> Iterator[Finding]:
    """Yield CDS read by another code than most of the record, or than annotated."""
    annotated = record.features.transl_table[coding.feature]
    if asked is not None:
        others = np.unique(annotated[(annotated != 0) & (annotated != asked)]).tolist()
        if others:
            message = (
                f"All CDS are read by table {asked}, as asked; the annotation says {', '.join(map(str, others))}. "
                "Findings on starts, stops and translations follow from that."
            )
            yield _of_record("notice", "SEQ_FEAT.GenCodeMismatch", record, message)
        return
    codes = coding.genetic_code
    if len(codes) == 0 or (codes == codes[0]).all():
        return
    numbers, cds = np.unique(codes, return_counts=True)
    main = int(numbers[np.argmax(cds)])
    for place in np.flatnonzero(codes != main).tolist():
        message = f"Read by table {codes[place]}; {cds.max()} of {len(codes)} CDS of the record have table {main}."
        yield finding("warning", "SEQ_FEAT.GenCodeMismatch", record, int(coding.feature[place]), message)


def _colliding_locus_tags(records: Sequence[Record]) -> Iterator[tuple[int, Finding]]:
    """Yield record and finding for every `gene` whose locus tag another has; pieces of a trans-spliced gene may."""
    seen: dict[str, tuple[Record, int]] = {}
    for place, record in enumerate(records):
        features = record.features
        for row, (kind, tag) in enumerate(zip(features.kind, features.locus_tag, strict=True)):
            if kind != "gene" or tag is None or "trans_splicing" in features.special.get(row, {}):
                continue
            if tag in seen:
                of, first = seen[tag]
                message = (
                    f"The gene at {of.features.location(first)} of {of.accession} has the locus tag {tag} too. "
                    "Expected one gene a locus tag."
                )
                yield place, finding("error", "SEQ_FEAT.CollidingLocusTags", record, row, message)
            else:
                seen[tag] = (record, row)
