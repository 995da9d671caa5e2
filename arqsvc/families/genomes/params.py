"""What callers of the genome jobs send and get back."""

from typing import Annotated, Literal

from pydantic import Field

from arqsvc.jobs.declare import FileId, Params, Result, Retries

GeneticCode = Literal[
    1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33
]
"""A translation table of NCBI."""

GeneName = Annotated[str, Field(min_length=1, max_length=100, examples=["rplB", "b3317"])]


class Analysis(Result):
    """The headline of a genome analysis; all of it stands in the job's file `result.json`."""

    accession: str | None
    """Accession with version of the record; null where it has none, or the file has several records."""
    organism: str | None
    """Organism of the record, or of all records; null where they differ."""
    records: int
    """Sequence records in the file."""
    length_bp: int
    """Length of all records together."""
    gc: float | None
    """G+C of all unambiguous bases, 0..1."""
    cds: int
    """CDS features, pseudogenes included."""
    cds_used: int
    """CDS that were counted for codon usage."""
    errors: int
    """Validation findings that are errors."""
    warnings: int
    """Validation findings that are warnings."""
    notices: int
    """Validation findings that are explained biology."""


class Analyze(
    Params,
    kind="genomes.analyze",
    result=Analysis,
    queue="analysis",
    timeout_s=3600,
    retries=Retries(tries=3, first_s=2, cap_s=60),
):
    """Measure, validate and draw an annotated genome (GenBank flat file, plain or gzip)."""

    file_id: FileId
    """The uploaded `.gb`, `.gbk` or `.gbff` file."""
    genetic_code: GeneticCode | None = None
    """NCBI translation table to use for every CDS; null takes each CDS's own `/transl_table`, or 1."""
    cai_reference: Annotated[tuple[GeneName, ...], Field(min_length=1, max_length=5000)] | None = None
    """Genes or locus tags of the reference set of the codon adaptation index; null takes ribosomal protein genes."""
