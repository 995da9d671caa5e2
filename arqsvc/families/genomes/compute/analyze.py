"""All numbers of a GenBank file, in the order in which a caller hears of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from arqsvc.bio.genetic_code import GENETIC_CODES
from arqsvc.errors import BadInput
from arqsvc.families.genomes.compute.coding import read_coding
from arqsvc.families.genomes.compute.codons import measure_codons
from arqsvc.families.genomes.compute.genbank import LIMIT_BYTES, read_records
from arqsvc.families.genomes.compute.genes import measure_genes
from arqsvc.families.genomes.compute.measurements import (
    CodonUsage,
    Finding,
    GeneFacts,
    Measurements,
    RecordMeasurements,
    SequenceFacts,
)
from arqsvc.families.genomes.compute.record import Record
from arqsvc.families.genomes.compute.statistics import measure_sequences
from arqsvc.families.genomes.compute.validation import validate


def measure(
    path: Path,
    *,
    genetic_code: int | None = None,
    cai_reference: Sequence[str] | None = None,
    limit_bytes: int = LIMIT_BYTES,
    report: Callable[[str, float], None] | None = None,
) -> Measurements:
    """Return all numbers of a GenBank file, plain or gzip.

    Args:
        path: of the file, told apart by content, not by name.
        genetic_code: NCBI translation table for every CDS; None reads each by its own `/transl_table`, 1 where absent.
        cai_reference: locus tags, genes or protein ids of the genes that CAI takes as adapted; None takes the ribosomal
            protein genes.
        limit_bytes: most bytes of text, after decompression.
        report: called on entering a step with its name and the fraction done, 0..1.

    Raises:
        BadInput: the file (see `genbank.py`), the genetic code (`unknown_genetic_code`) or the reference
            (`unknown_cai_reference`).
    """
    if genetic_code is not None and genetic_code not in GENETIC_CODES:
        raise BadInput(
            f"There is no genetic code {genetic_code}. Give one of NCBI's: {', '.join(map(str, GENETIC_CODES))}.",
            reason="unknown_genetic_code",
        )
    enter = report or _silent
    records = read_records(path, limit_bytes=limit_bytes)
    enter("codon analysis", 0.10)
    codings = [read_coding(record, genetic_code=genetic_code) for record in records]
    codons, codons_each = measure_codons(records, codings, cai_reference=cai_reference)
    enter("gene analysis", 0.35)
    genes, genes_each = measure_genes(records)
    enter("genome statistics", 0.60)
    statistics, statistics_each = measure_sequences(records)
    enter("validation", 0.80)
    findings, findings_each = validate(records, codings, genetic_code=genetic_code)
    each = zip(records, codons_each, genes_each, statistics_each, findings_each, strict=True)
    return Measurements(tuple(_of_record(*parts) for parts in each), codons, genes, statistics, findings, genetic_code)


def _of_record(
    record: Record, codons: CodonUsage, genes: GeneFacts, statistics: SequenceFacts, findings: tuple[Finding, ...]
) -> RecordMeasurements:
    return RecordMeasurements(
        accession=record.accession,
        definition=record.definition,
        organism=record.organism,
        molecule_type=record.molecule_type,
        topology=record.topology,
        length_bp=record.length_bp,
        features=record.features,
        codons=codons,
        genes=genes,
        statistics=statistics,
        findings=findings,
    )


def _silent(step: str, fraction: float) -> None:
    """Hear a step and say nothing."""
