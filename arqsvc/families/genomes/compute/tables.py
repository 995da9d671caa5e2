"""The tables beside the report: `codons.tsv`, `genes.tsv`, `validation.tsv`.

UTF-8, one header line, LF, empty for what is undefined, numbers unrounded, fractions 0..1. Positions are GenBank's:
one-based, both ends inclusive, as the columns say; a feature over the origin of a circle ends before it starts.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from arqsvc.bio.genetic_code import CODONS
from arqsvc.families.genomes.compute.measurements import Floats, Measurements, RecordMeasurements

_STRANDS = {1: "+", -1: "-", 0: "."}


def write_codons(measurements: Measurements, path: Path) -> None:
    """Write a row for every CDS used: names, length, Nc, G+C, CAI and the 64 counts."""
    header = ("record", "locus_tag", "gene", "product", "strand", "genetic_code", "length_bp", "codons")
    _write(path, (*header, "nc", "gc", "gc1", "gc2", "gc3", "gc3s", "cai", *CODONS), _codon_rows(measurements))


def write_genes(measurements: Measurements, path: Path) -> None:
    """Write a row for every feature of every record, `gene` and `source` included."""
    header = ("record", "type", "start_1based", "end_1based_inclusive", "strand", "length_bp", "locus_tag", "gene")
    rows = (row for record in measurements.records for row in _feature_rows(record))
    _write(path, (*header, "product", "protein_id", "pseudo", "partial", "location"), rows)


def write_validation(measurements: Measurements, path: Path) -> None:
    """Write a row for every finding: errors, warnings, notices."""
    header = ("level", "code", "record", "feature", "name", "location", "message")
    _write(path, header, ([getattr(finding, name) for name in header] for finding in measurements.findings))


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join(header) + "\n")
        file.writelines("\t".join(row) + "\n" for row in rows)


def _codon_rows(measurements: Measurements) -> Iterator[list[str]]:
    genes = measurements.codons.genes
    shares = [_texts(column) for column in (genes.nc, genes.gc, genes.gc1, genes.gc2, genes.gc3, genes.gc3s, genes.cai)]
    columns = zip(genes.record.tolist(), genes.feature.tolist(), genes.strand.tolist(), strict=True)
    counts = genes.counts.tolist()
    for place, (record, feature, strand) in enumerate(columns):
        of = measurements.records[record]
        yield [
            of.accession,
            _cell(of.features.locus_tag[feature]),
            _cell(genes.gene[place]),
            _cell(genes.product[place]),
            _STRANDS[strand],
            str(genes.genetic_code[place]),
            str(genes.length_bp[place]),
            str(genes.codons[place]),
            *[share[place] for share in shares],
            *map(str, counts[place]),
        ]


def _feature_rows(record: RecordMeasurements) -> Iterator[list[str]]:
    features, size = record.features, record.length_bp
    partial = zip(features.partial5.tolist(), features.partial3.tolist(), strict=True)
    partials = [("5'" if five else "") + ("3'" if three else "") for five, three in partial]
    columns = (features.start0, features.end0, features.strand, features.length_bp, features.pseudo)
    for row, (start0, end0, strand, length, pseudo) in enumerate(zip(*[c.tolist() for c in columns], strict=True)):
        here = features.part_offset[row] < features.part_offset[row + 1]
        end = end0 - size if end0 > size and record.topology == "circular" else end0
        yield [
            record.accession,
            features.kind[row],
            str(start0 + 1) if here else "",
            str(end) if here else "",
            _STRANDS[strand],
            str(length),
            _cell(features.locus_tag[row]),
            _cell(features.gene[row]),
            _cell(features.product[row]),
            _cell(features.protein_id[row]),
            "yes" if pseudo else "no",
            partials[row],
            features.location(row),
        ]


def _cell(text: str | None) -> str:
    """Return a text without what would end a cell."""
    return "" if text is None else text.replace("\t", " ")


def _texts(values: Floats) -> list[str]:
    return ["" if value != value else repr(value) for value in values.tolist()]
