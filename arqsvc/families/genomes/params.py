"""What callers of the genome jobs send and get back."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from arqsvc.bio.accession import Kind, parse
from arqsvc.jobs.declare import FileId, Params, Result, Retries, Step

GeneticCode = Literal[
    1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33
]
"""A translation table of NCBI."""

ELSEWHERE = {
    Kind.WGS_SET: "It has no sequence of its own; ask for its assembly (GCA_... or GCF_...).",
    Kind.PROTEIN: "Ask for the nucleotide record that codes for it, or for the assembly.",
    Kind.RUN: "Reads are downloaded from ENA or SRA; ask here for an assembly or a nucleotide record.",
}
"""Where accessions belong that no genome can be downloaded by."""


def _downloadable(text: str) -> str:
    """Return an accession in capitals if it names a nucleotide record or an assembly; else a ValueError says more."""
    accession = parse(text)
    if accession.kind not in {Kind.NUCLEOTIDE, Kind.ASSEMBLY}:
        where = ELSEWHERE.get(accession.kind, "It names no sequence; ask for an assembly or a nucleotide record.")
        raise ValueError(f"{accession} is {accession.kind.description}. {where}")
    return str(accession)


Accession = Annotated[
    str, Field(max_length=40, examples=["NC_000913.3", "GCF_000005845.2"]), AfterValidator(_downloadable)
]
"""The accession of a nucleotide record (INSDC, RefSeq) or an assembly; without a version it means the newest."""

GeneName = Annotated[str, Field(min_length=1, max_length=100, examples=["rplB", "b3317"])]


class Downloaded(Result):
    """A verified file and where it came from; the file itself is the job's one file."""

    requested: str
    """The accession that was asked for."""
    accession: str
    """The accession that it was resolved to, with its version."""
    format: Literal["genbank", "fasta"]
    """What the file holds."""
    name: str
    """Name of the job's file."""
    records: int
    """Sequence records in the file."""
    length_bp: int
    """Length of all records together."""
    size_bytes: int
    """Size of the file."""
    sha256: str
    """SHA-256 of the file, lower-case hexadecimal."""
    md5: str
    """MD5 of the file, lower-case hexadecimal."""
    declared_md5: str | None
    """MD5 that the source declares; null where it declares none."""
    source: str
    """The service that it was fetched from."""
    url: str
    """The address there, without the query."""
    retrieved_at: datetime
    """When it was fetched."""
    reused: bool
    """Whether the content was in storage already."""
    transferred_bytes: int
    """Bytes of the file that this job fetched; 0 where nothing had to be."""


class Download(
    Params,
    kind="genomes.download",
    result=Downloaded,
    queue="downloads",
    timeout_s=6 * 3600,
    retries=Retries(tries=4, first_s=4, cap_s=120, outage_s=3600),
    steps=(Step("resolve"), Step("download", "bytes"), Step("verify", "bytes"), Step("complete")),
    examples=({"accession": "NC_000932.1"}, {"accession": "GCF_000005845.2", "format": "fasta"}),
):
    """Fetch a nucleotide record or an assembly from NCBI, and verify it."""

    accession: Accession
    """What to fetch."""
    format: Literal["genbank", "fasta"] = "genbank"
    """`genbank`: with annotation, as an analysis needs it; `fasta`: the sequence alone."""

    def shared(self) -> str:
        """Return a key: jobs of one key that run at the same time share one transfer."""
        return f"{self.accession} {self.format}"


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
    steps=(
        Step("codon analysis"),
        Step("gene analysis"),
        Step("genome statistics"),
        Step("validation"),
        Step("visualization"),
        Step("complete"),
    ),
    examples=({"accession": "NC_000932.1"}, {"accession": "NC_000913.3", "genetic_code": 11}),
):
    """Measure, validate and draw an annotated genome: a GenBank flat file, plain or gzip, or an accession."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"properties": {name: {"type": "string"}}, "required": [name]} for name in ("file_id", "accession")
            ]
        }
    )

    file_id: FileId | None = None
    """The uploaded `.gb`, `.gbk` or `.gbff` file; null with `accession`."""
    accession: Accession | None = None
    """The record or assembly to download first; null with `file_id`."""
    genetic_code: GeneticCode | None = None
    """NCBI translation table to use for every CDS; null takes each CDS's own `/transl_table`, or 1."""
    cai_reference: Annotated[tuple[GeneName, ...], Field(min_length=1, max_length=5000)] | None = None
    """Genes or locus tags of the reference set of the codon adaptation index; null takes ribosomal protein genes."""

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if (self.file_id is None) == (self.accession is None):
            raise ValueError("give one of file_id and accession")
        return self

    def needs(self) -> tuple[Params, ...]:
        """Return the jobs that must succeed before this one begins."""
        return (Download(accession=self.accession),) if self.accession else ()
