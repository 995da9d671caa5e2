"""NCBI Datasets v2: reports about assemblies, and assemblies as a zip that is made while it is sent."""

import json
import re
import zipfile
from collections.abc import Mapping
from io import RawIOBase
from typing import Any

from arqsvc.bio.accession import parse
from tests.mirror.records import Assembly, Records, md5
from tests.mirror.server import Answer, Request, json_answer, not_found

FOLDER = "/datasets/v2"
DATA = "ncbi_dataset/data"
SUMS = "md5sum.txt"
README = b"# NCBI Datasets\n\nThis package holds the files that were asked for, and reports about them.\n"
MIB = 2**20


def answer(records: Records, request: Request) -> Answer:
    """Return a report, a summary or a package."""
    asked = re.fullmatch(r"/genome/accession/([^/]+)/(\w+)", request.path.removeprefix(FOLDER))
    if not asked:
        return not_found(request)
    accessions = asked[1].upper().split(",")
    if wrong := [one for one in accessions if not re.fullmatch(r"GC[AF]_\d{9}(\.\d+)?", one)]:
        return _refusal(400, f"The accession {wrong[0]} is not a valid assembly accession")
    found = [assembly for one in accessions if (assembly := records.genome(one))]
    match asked[2]:
        case "dataset_report":
            reports = [_report(records, assembly) for assembly in found]
            return json_answer({"reports": reports, "total_count": len(reports)} if reports else {})
        case "download_summary" if found:
            return json_answer(_size(found, request))
        case "download" if found:
            return _package(records, found, request)
        case "download" | "download_summary":
            return _refusal(404, f"No assembly is found for {asked[1]}")
    return not_found(request)


def packed(members: Mapping[str, bytes]) -> bytes:
    """Return a zip as one that is written to a stream: sizes and checksums stand behind each member."""
    stream = _Stream()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, compresslevel=1)
    return bytes(stream.written)


class _Stream(RawIOBase):
    """What can be written and not sought."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written += data
        return len(data)


def _package(records: Records, found: list[Assembly], request: Request) -> Answer:
    reports = [json.dumps(_camel(_report(records, assembly))) for assembly in found]
    members = {f"{DATA}/assembly_data_report.jsonl": "\n".join([*reports, ""]).encode()}
    catalog: list[dict[str, Any]] = [{"files": [{"filePath": "assembly_data_report.jsonl", "fileType": "DATA_REPORT"}]}]
    for assembly in found:
        files = _files(assembly, request)
        members.update({f"{DATA}/{path}": data for path, (_, data) in files.items()})
        entries = [{"filePath": path, "fileType": kind} for path, (kind, _) in files.items()]
        catalog.append({"accession": assembly.accession, "files": entries})
    members[f"{DATA}/dataset_catalog.json"] = json.dumps({"apiVersion": "V2", "assemblies": catalog}, indent=1).encode()
    sums = "".join(f"{md5(data)}  {name}\n" for name, data in members.items()).encode()
    name = request.query.get("filename", "ncbi_dataset.zip")
    headers = {"Content-Type": "application/zip", "Content-Disposition": f'attachment; filename="{name}"'}
    return Answer(200, packed({"README.md": README, **members, SUMS: sums}), headers, chunked=True)


def _files(assembly: Assembly, request: Request) -> dict[str, tuple[str, bytes]]:
    """Return kind and content of each file that was asked for, by its path below the data."""
    wanted = request.query.get("include_annotation_type", "GENOME_FASTA").split(",")
    files = {}
    if "GENOME_FASTA" in wanted:
        path = f"{assembly.accession}/{assembly.folder}_genomic.fna"
        files[path] = ("GENOMIC_NUCLEOTIDE_FASTA", assembly.fna)
    if "GENOME_GBFF" in wanted:
        files[f"{assembly.accession}/genomic.gbff"] = ("GENBANK_FLAT_FILE", assembly.gbff)
    return files


def _size(found: list[Assembly], request: Request) -> dict[str, Any]:
    size_bytes = sum(len(data) for assembly in found for _, data in _files(assembly, request).values())
    return {
        "record_count": len(found),
        "assembly_count": len(found),
        "hydrated": {"estimated_file_size_mb": round(size_bytes / 4 / MIB, 3)},
        "dehydrated": {"estimated_file_size_mb": 0.01},
    }


def _report(records: Records, assembly: Assembly) -> dict[str, Any]:
    newest = records.genome(parse(assembly.accession).base) or assembly
    gc = sum(record.sequence.count(b"G") + record.sequence.count(b"C") for record in assembly.records)
    first = assembly.records[0]
    return {
        "assembly_info": {
            "assembly_accession": assembly.accession,
            "assembly_level": "Complete Genome",
            "assembly_name": assembly.name,
            "assembly_status": "current" if newest is assembly else "previous",
            "current_assembly_accession": newest.accession,
            "refseq_assm_accession": assembly.accession,
        },
        "assembly_stats": {
            "contig_n50": max(len(record.sequence) for record in assembly.records),
            "gc_count": str(gc),
            "number_of_component_sequences": len(assembly.records),
            "number_of_contigs": len(assembly.records),
            "total_sequence_length": str(assembly.length_bp),
            "total_ungapped_length": str(assembly.length_bp),
        },
        "organism_name": first.organism,
        "tax_id": first.taxon,
        "accession": assembly.accession,
    }


def _camel(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report with its names as they are in a package."""
    return {
        re.sub(r"_(\w)", lambda letter: letter[1].upper(), name): _camel(value) if isinstance(value, dict) else value
        for name, value in document.items()
    }


def _refusal(status: int, message: str) -> Answer:
    error = "Not Found" if status == 404 else "Bad Request"
    return json_answer({"error": error, "code": 5 if status == 404 else 3, "message": message}, status)
