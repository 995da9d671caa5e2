"""What `genomes.analyze` does in its child process: all numbers of a file, then its tables, figures and report."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from arqsvc.families.genomes.compute.analyze import measure
from arqsvc.families.genomes.compute.measurements import Measurements
from arqsvc.families.genomes.compute.result import write_result
from arqsvc.families.genomes.compute.tables import write_codons, write_genes, write_validation
from arqsvc.families.genomes.report import write_report


def analyse(
    path: Path,
    out: Path,
    genetic_code: int | None,
    cai_reference: Sequence[str] | None,
    limit_bytes: int,
    *,
    report: Callable[[str, float], None],
) -> dict[str, Any]:
    """Write `result.json`, the tables, the figures and `report.html` into a folder; returns the headline.

    The same file and parameters give the same bytes.

    Args:
        path: a GenBank flat file, plain or gzip.
        out: an empty folder.
        genetic_code: NCBI translation table for every CDS; None takes each CDS's own.
        cai_reference: genes or locus tags of the reference set of CAI; None takes the ribosomal protein genes.
        limit_bytes: most bytes of text, after decompression.
        report: called on entering a step with its name and the fraction done.

    Raises:
        BadInput: the file or a parameter cannot be used; its `reason` says why.
    """
    measurements = measure(
        path, genetic_code=genetic_code, cai_reference=cai_reference, limit_bytes=limit_bytes, report=report
    )
    write_result(measurements, out / "result.json")
    write_codons(measurements, out / "codons.tsv")
    write_genes(measurements, out / "genes.tsv")
    write_validation(measurements, out / "validation.tsv")
    report("visualization", 0.90)
    write_report(measurements, out)
    return _headline(measurements)


def _headline(measurements: Measurements) -> dict[str, Any]:
    accessions, organisms = (
        {getattr(record, name) for record in measurements.records} for name in ("accession", "organism")
    )
    return {
        "accession": accessions.pop() or None if len(accessions) == 1 else None,
        "organism": organisms.pop() or None if len(organisms) == 1 else None,
        "records": len(measurements.records),
        "length_bp": measurements.statistics.length_bp,
        "gc": measurements.statistics.gc,
        "cds": measurements.genes.cds,
        "cds_used": measurements.codons.cds_used,
        "errors": measurements.count("error"),
        "warnings": measurements.count("warning"),
        "notices": measurements.count("notice"),
    }
