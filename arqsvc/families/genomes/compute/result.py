"""`result.json`: all numbers of a file as one JSON document, the same bytes for the same input.

Schema `arqsvc.genomes.analysis/1`: a member is added under the same number and changed or removed under the next.
Numbers are unrounded, fractions 0..1, codons and dinucleotides DNA; what is undefined is null, never left out. A file
of several records is pooled at the top; `records` holds the same members for each.

parameters
    `genetic_code`: what the caller asked for, or null.
record
    `records`, `accession`, `definition`, `organism`, `molecule_type`, `topology` (null where records differ),
    `length_bp`, `genetic_code` (of most CDS used; null without).
codons
    `genetic_codes`, `cds_used`, `cds_left_out` (reason -> CDS), `codons_total`, `counts` and `rscu` (64 codons),
    `nc`, `gc`, `gc1`, `gc2`, `gc3`, `gc3s`, `cai`, `start_codons`, `stop_codons`, at the top `cai_reference`.
    Formulas: `codons.py`.
genes
    `by_kind` (feature key -> total and strands), counts, shares, `coding_density`, lengths, `intergenic`, `overlaps`,
    `operons`. Definitions: `genes.py`.
statistics
    `bases`, `gc`, skews, N and gaps, `n50_bp` to `aun_bp`, `origin_bp` and `terminus_bp` (zero-based start of the
    window), `dinucleotide_odds`. Formulas: `statistics.py`.
validation
    `errors`, `warnings`, `notices`, and at the top `findings`. Codes: `validation.py`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arqsvc.bio.genetic_code import CODONS
from arqsvc.families.genomes.compute.measurements import (
    CodonUsage,
    Finding,
    Floats,
    GeneFacts,
    Measurements,
    RecordMeasurements,
    SequenceFacts,
)

SCHEMA = "arqsvc.genomes.analysis/1"


def write_result(measurements: Measurements, path: Path) -> None:
    """Write `result.json`: UTF-8, two spaces, LF at the end."""
    text = json.dumps(result_document(measurements), indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def result_document(measurements: Measurements) -> dict[str, Any]:
    """Return the document of the schema above, JSON values only."""
    pooled = _numbers(measurements.codons, measurements.genes, measurements.statistics, measurements.findings)
    reference = measurements.codons.cai_reference
    pooled["codons"]["cai_reference"] = plain(reference) | {"weights": _by_codon(reference.weights)}
    pooled["validation"]["findings"] = [plain(finding) for finding in measurements.findings]
    return {
        "schema": SCHEMA,
        "parameters": {"genetic_code": measurements.genetic_code_given},
        "record": _heads(measurements.records) | {"genetic_code": measurements.codons.genetic_code},
        **pooled,
        "records": [
            {"record": _head(record), **_numbers(record.codons, record.genes, record.statistics, record.findings)}
            for record in measurements.records
        ],
    }


_HEAD = ("accession", "definition", "organism", "molecule_type", "topology")


def _head(record: RecordMeasurements) -> dict[str, Any]:
    head = {name: getattr(record, name) for name in _HEAD}
    return {"records": 1, **head, "length_bp": record.length_bp, "genetic_code": record.codons.genetic_code}


def _heads(records: Sequence[RecordMeasurements]) -> dict[str, Any]:
    """Return what all records have in common, null where they differ."""
    shared: dict[str, Any] = {"records": len(records)}
    for name in _HEAD:
        values = {getattr(record, name) for record in records}
        shared[name] = values.pop() if len(values) == 1 else None
    return shared | {"length_bp": sum(record.length_bp for record in records)}


def _numbers(
    codons: CodonUsage, genes: GeneFacts, statistics: SequenceFacts, findings: Sequence[Finding]
) -> dict[str, dict[str, Any]]:
    sequence = plain(statistics)
    skew = sequence.pop("skew") or {"window_bp": None, "origin_bp": None, "terminus_bp": None}
    usage = plain(codons)
    del usage["genes"], usage["cai_reference"]
    levels = [finding.level for finding in findings]
    return {
        "codons": usage
        | {"counts": dict(zip(CODONS, codons.counts.tolist(), strict=True)), "rscu": _by_codon(codons.rscu)},
        "genes": plain(genes),
        "statistics": sequence
        | {"skew_window_bp": skew["window_bp"]}
        | {k: skew[k] for k in ("origin_bp", "terminus_bp")},
        "validation": {f"{level}s": levels.count(level) for level in ("error", "warning", "notice")},
    }


def _by_codon(values: Floats) -> dict[str, float | None]:
    return {codon: None if np.isnan(value) else value for codon, value in zip(CODONS, values.tolist(), strict=True)}


def plain(value: Any) -> Any:
    """Return a value of ours as JSON knows it; arrays are left out of what holds them."""
    if is_dataclass(value) and not isinstance(value, type):
        members = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: plain(member) for name, member in members.items() if not isinstance(member, np.ndarray)}
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    return list(value) if isinstance(value, tuple) else value
