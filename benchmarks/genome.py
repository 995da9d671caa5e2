"""All numbers of a genome: ours beside two Biopython scripts, and the whole job with figures and report, in turns.

    python -m benchmarks.genome FILE [ROUNDS]

The scripts are what a biologist would write: `record_slices` asks SeqRecord and Seq for every gene and codon,
`string_slices` works on plain strings. Each has a child of its own and one
round to warm up; what all three compute must be equal, or the run fails.
"""

import gzip
import io
import math
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from Bio import SeqIO
from Bio.Data.CodonTable import unambiguous_dna_by_id

from arqsvc.bio.genetic_code import CODONS
from arqsvc.families.genomes.analysis import analyse
from arqsvc.families.genomes.compute.analyze import measure
from arqsvc.families.genomes.compute.codons import is_ribosomal_protein
from arqsvc.families.genomes.compute.genbank import LIMIT_BYTES
from arqsvc.families.genomes.compute.genes import RNA_KINDS, is_hypothetical

Numbers = dict[str, Any]


def ours(path: Path) -> Numbers:
    """Measure with arqsvc; a file of one record."""
    found = measure(path)
    codons, genes, facts, [record] = found.codons, found.genes, found.statistics, found.records
    assert facts.skew is not None
    return {
        "counts": {codon: count for codon, count in zip(CODONS, codons.counts.tolist(), strict=True) if count},
        "rscu": [rscu for rscu in codons.rscu.tolist() if rscu > 0],
        "starts": dict(codons.start_codons),
        "stops": dict(codons.stop_codons),
        "nc": codons.genes.nc.tolist(),
        "gc3s": codons.genes.gc3s.tolist(),
        "gc123": [codons.gc1, codons.gc2, codons.gc3],
        "cai": codons.genes.cai.tolist(),
        "kinds": {kind: row["total"] for kind, row in genes.by_kind.items()},
        "hypothetical": genes.hypothetical,
        "lengths": sorted(genes.cds_length_bp.tolist()),
        "coding_bp": genes.coding_bp,
        "intergenic_bp": int(genes.intergenic_bp.sum()),
        "overlaps": [genes.overlaps.pairs, genes.overlaps.overlap_bp],
        "length_bp": facts.length_bp,
        "gc": facts.gc,
        "odds": dict(facts.dinucleotide_odds),
        "skew": facts.skew.skew.tolist(),
        "mismatches": sorted(one.name for one in record.findings if one.code == "SEQ_FEAT.InternalStop"),
    }


def record_slices(path: Path) -> Numbers:
    """The straightforward script: SeqRecord and Seq all the way."""
    record = read(path)
    cds = coding(record)
    genes = []
    for feature in cds:
        gene = feature.extract(record.seq)[int(feature.qualifiers.get("codon_start", ["1"])[0]) - 1 :]
        if len(gene) % 3 == 0 and not set(gene) - set("ACGT"):
            codons = [str(gene[start : start + 3]) for start in range(0, len(gene), 3)]
            genes.append((feature, codons, str(gene.translate(table_of(feature)))))
    windows = [record.seq[start : start + 1000] for start in range(0, len(record) - 999, 1000)]
    pairs = Counter(str(record.seq[start : start + 2]) for start in range(len(record) - 1))
    return numbers(record, genes, pairs, record.seq, windows)


def string_slices(path: Path) -> Numbers:
    """The script that knows its Python: one string, sliced, and dictionaries."""
    record = read(path)
    sequence = str(record.seq)
    complement = str.maketrans("ACGT", "TGCA")
    genes = []
    for feature in coding(record):
        parts = [sequence[int(part.start) : int(part.end)] for part in feature.location.parts]
        strands = [part.strand for part in feature.location.parts]
        pieces = (p if strand > 0 else p.translate(complement)[::-1] for p, strand in zip(parts, strands, strict=True))
        gene = "".join(pieces)[int(feature.qualifiers.get("codon_start", ["1"])[0]) - 1 :]
        if len(gene) % 3 == 0 and not set(gene) - set("ACGT"):
            codons = [gene[start : start + 3] for start in range(0, len(gene), 3)]
            forward = unambiguous_dna_by_id[table_of(feature)].forward_table
            genes.append((feature, codons, "".join([forward.get(codon, "*") for codon in codons])))
    windows = [sequence[start : start + 1000] for start in range(0, len(sequence) - 999, 1000)]
    pairs = Counter(map(str.__add__, sequence, sequence[1:]))
    return numbers(record, genes, pairs, sequence, windows)


def read(path: Path) -> Any:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return SeqIO.read(io.StringIO(text.decode()), "genbank")  # type: ignore[no-untyped-call]


def coding(record: Any) -> list[Any]:
    pseudo = {"pseudo", "pseudogene"}
    return [one for one in record.features if one.type == "CDS" and not pseudo & one.qualifiers.keys()]


def table_of(feature: Any) -> int:
    return int(feature.qualifiers.get("transl_table", ["1"])[0])


def numbers(
    record: Any,
    genes: list[tuple[Any, list[str], str]],
    pairs: Counter[str],
    sequence: Any,
    windows: Iterable[Any],
) -> Numbers:
    """Return what both scripts compute from codons, pairs and windows."""
    families = families_of(table_of(genes[0][0]))
    tallies = [Counter(codons) for _, codons, _ in genes]
    pooled = sum(tallies, Counter())
    ribosomal = [
        tally
        for (feature, _, _), tally in zip(genes, tallies, strict=True)
        if is_ribosomal_protein(feature.qualifiers.get("product", [None])[0])
    ]
    weights = weights_of(ribosomal, families)
    bases = {base: sequence.count(base) for base in "ACGT"}
    known = sum(bases.values())
    total = sum(count for pair, count in pairs.items() if set(pair) <= set("ACGT"))
    lengths = [len(feature.location) for feature in record.features if feature.type == "CDS"]
    return {
        "counts": {codon: pooled[codon] for codon in CODONS if pooled[codon]},
        "rscu": rscu_of(pooled, families),
        "starts": dict(Counter(codons[0] for _, codons, _ in genes)),
        "stops": dict(Counter(codons[-1] for _, codons, _ in genes)),
        "nc": [nc_of(tally, families) for tally in tallies],
        "gc3s": [gc3s_of(tally, families) for tally in tallies],
        "gc123": [sum(n for codon, n in pooled.items() if codon[place] in "GC") / pooled.total() for place in range(3)],
        "cai": [cai_of(tally, weights) for tally in tallies],
        "kinds": dict(sorted(Counter(feature.type for feature in record.features).items())),
        "hypothetical": sum(is_hypothetical(f.qualifiers.get("product", [""])[0]) for f in coding(record)),
        "lengths": sorted(lengths),
        **neighbours(record),
        "length_bp": len(sequence),
        "gc": (bases["G"] + bases["C"]) / known,
        "odds": {x + y: pairs[x + y] / total / (bases[x] / known) / (bases[y] / known) for x in "ACGT" for y in "ACGT"},
        "skew": [(w.count("G") - w.count("C")) / ((w.count("G") + w.count("C")) or 1) for w in windows],
        "mismatches": sorted(name for feature, _, protein in genes if (name := mismatch(feature, protein))),
    }


def families_of(number: int) -> list[list[str]]:
    table = unambiguous_dna_by_id[number].forward_table
    letters = sorted(set(table.values()))
    return [[codon for codon in CODONS if table.get(codon) == letter] for letter in letters]


def rscu_of(pooled: Counter[str], families: list[list[str]]) -> list[float]:
    stops = [codon for codon in CODONS if not any(codon in family for family in families)]
    of = {codon: family for family in [*families, stops] for codon in family}
    return [
        len(of[codon]) * pooled[codon] / sum(pooled[other] for other in of[codon]) for codon in CODONS if pooled[codon]
    ]


def nc_of(tally: Counter[str], families: list[list[str]]) -> float:
    found: dict[int, list[float]] = {}
    sizes = Counter(len(family) for family in families)
    for family in families:
        n = sum(tally[codon] for codon in family)
        if len(family) > 1 and n > 1:
            f = (sum(tally[codon] ** 2 for codon in family) / n - 1) / (n - 1)
            if f > 0:
                found.setdefault(len(family), []).append(f)
    means = {size: sum(values) / len(values) for size, values in found.items()}
    if 3 in sizes and 3 not in means and sizes[3] == 1 and {2, 4} <= means.keys():
        means[3] = (means[2] + means[4]) / 2
    if any(size > 1 and size not in means for size in sizes):
        return math.nan
    return min(61.0, sizes[1] + sum(sizes[size] / mean for size, mean in means.items()))


def gc3s_of(tally: Counter[str], families: list[list[str]]) -> float:
    synonymous = [codon for family in families if len(family) > 1 for codon in family]
    whole = sum(tally[codon] for codon in synonymous)
    return sum(tally[codon] for codon in synonymous if codon[2] in "GC") / whole if whole else math.nan


def weights_of(reference: list[Counter[str]], families: list[list[str]]) -> dict[str, float]:
    if len(reference) < 10:
        return {}
    pooled = sum(reference, Counter())
    weights: dict[str, float] = {}
    for family in families:
        greatest = max(pooled[codon] for codon in family)
        if len(family) > 1 and greatest:
            weights |= {codon: math.log((pooled[codon] or 0.5) / greatest) for codon in family}
    return weights


def cai_of(tally: Counter[str], weights: dict[str, float]) -> float:
    n = sum(count for codon, count in tally.items() if codon in weights)
    logs = sum(count * weights[codon] for codon, count in tally.items() if codon in weights)
    return math.exp(logs / n) if n else math.nan


def neighbours(record: Any) -> Numbers:
    """Coding union, stretches between genes and overlaps, by walking along the record."""
    size = len(record)
    genes = [one for one in record.features if one.type == "CDS" or one.type in RNA_KINDS]
    coding_at, gene_at = bytearray(size), bytearray(size)
    for feature in genes:
        for part in feature.location.parts:
            if feature.type == "CDS":
                coding_at[part.start : part.end] = b"\1" * len(part)
        spread = len({part.strand for part in feature.location.parts}) > 1
        parts = feature.location.parts if spread else [feature.location]
        for part in parts:
            gene_at[part.start : part.end] = b"\1" * (part.end - part.start)
    spans = sorted(
        ((int(part.start), int(part.end), place) for place, one in enumerate(genes) for part in one.location.parts)
    )
    shared: Counter[tuple[int, int]] = Counter()
    for at, (_, end, place) in enumerate(spans):
        for start, other_end, other in spans[at + 1 :]:
            if start >= end:
                break
            if locus(genes[place], place) != locus(genes[other], other):
                shared[min(place, other), max(place, other)] += min(end, other_end) - start
    return {
        "coding_bp": coding_at.count(1),
        "intergenic_bp": size - gene_at.count(1),
        "overlaps": [len(shared), shared.total()],
    }


def locus(feature: Any, place: int) -> str | int:
    names = feature.qualifiers.get("locus_tag") or feature.qualifiers.get("gene") or [place]
    name: str | int = names[0]
    return name


def mismatch(feature: Any, protein: str) -> str | None:
    """Return the name of a CDS whose translation is not what the file says, the first amino acid aside."""
    given = feature.qualifiers.get("translation", [None])[0]
    made = protein.removesuffix("*")
    same = given is None or made[1:] == given[1:]
    return None if same and "*" not in made else str(feature.qualifiers.get("locus_tag", ["?"])[0])


def with_report(path: Path) -> Numbers:
    """Do the whole job: numbers, tables, figures and report, written to disk."""
    with tempfile.TemporaryDirectory() as out:
        analyse(path, Path(out), None, None, LIMIT_BYTES, report=lambda step, fraction: None)
    return {}


PEERS: tuple[Callable[[Path], Numbers], ...] = (ours, string_slices, record_slices)
SCRIPTS = (*PEERS, with_report)


def timed(script: Callable[[Path], Numbers], path: Path) -> tuple[float, float, int, Numbers]:
    """Return wall and CPU seconds, peak memory of this child so far in bytes, and the numbers."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = script(path)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, found


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Return where two results differ by more than rounding."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [fault for key in one for fault in differences(one[key], other[key], f"{where}/{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [fault for place, (a, b) in pairs for fault in differences(a, b, f"{where}/{place}")]
    if isinstance(one, float) and isinstance(other, float):
        same = math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(one) and math.isnan(other))
        return [] if same else [f"{where}: {one} {other}"]
    return [] if one == other else [f"{where}: {one} {other}"]


def main(path: Path, rounds: int) -> None:
    context = multiprocessing.get_context("spawn")
    pools = [ProcessPoolExecutor(1, mp_context=context) for _ in SCRIPTS]
    results = [pool.submit(timed, script, path).result() for pool, script in zip(pools, SCRIPTS, strict=True)]
    for script, result in zip(PEERS[1:], results[1:-1], strict=True):
        if faults := differences(results[0][3], result[3]):
            sys.exit(f"ours and {script.__name__} differ in {len(faults)} numbers: {faults[:5]}")
    walls: list[list[float]] = [[] for _ in SCRIPTS]
    cpus: list[list[float]] = [[] for _ in SCRIPTS]
    peaks = [0 for _ in SCRIPTS]
    for _ in range(rounds):
        for place, (pool, script) in enumerate(zip(pools, SCRIPTS, strict=True)):
            wall, cpu, peaks[place], _ = pool.submit(timed, script, path).result()
            walls[place].append(wall)
            cpus[place].append(cpu)
    for pool in pools:
        pool.shutdown()
    print(f"{path.name}, {rounds} rounds in turns, all peers' numbers equal; medians (least)")
    print(f"{'':15}{'wall ms':>18}{'CPU ms':>18}{'peak MiB':>10}{'wall ratio':>12}")
    for place, script in enumerate(SCRIPTS):
        times = [f"{1e3 * median(t[place]):.0f} ({1e3 * min(t[place]):.0f})" for t in (walls, cpus)]
        ratio = median(walls[place]) / median(walls[0])
        print(f"{script.__name__:15}{times[0]:>18}{times[1]:>18}{peaks[place] / 2**20:>10.0f}{ratio:>12.1f}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m benchmarks.genome FILE [ROUNDS]")
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
