"""Metrics that the shared truth does not hold, against codonW and EMBOSS themselves, on the packaged record."""

import subprocess
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest

from arqsvc.bio.genetic_code import CODONS
from arqsvc.families.genomes.compute.analyze import measure
from arqsvc.families.genomes.compute.coding import read_coding
from arqsvc.families.genomes.compute.genbank import read_records

pytestmark = pytest.mark.debian("codonw", "compseq")


@pytest.fixture
def demo() -> Path:
    with as_file(files("arqsvc.families.genomes") / "data" / "NC_000932.1.gb.gz") as path:
        return path


def run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)


def coding_sequences(demo: Path, folder: Path) -> str:
    """Write every CDS used as FASTA and return the file's name."""
    [record] = read_records(demo)
    coding = read_coding(record)
    genes = [coding.codon[coding.offset[row] : coding.offset[row + 1]] for row in np.flatnonzero(coding.counted)]
    fasta = [f">g{number}\n{''.join(CODONS[codon] for codon in gene)}\n" for number, gene in enumerate(genes)]
    (folder / "cds.fa").write_text("".join(fasta))
    return "cds.fa"


def codonw_order() -> list[str]:
    """codonW's file of w runs through the first base, then the third, then the second."""
    return [first + second + third for first in "TCAG" for third in "TCAG" for second in "TCAG"]


def test_cai_of_every_gene_equals_codonw(demo: Path, tmp_path: Path) -> None:
    codons = measure(demo).codons
    weights = dict(zip(CODONS, np.nan_to_num(codons.cai_reference.weights, nan=1.0), strict=True))
    (tmp_path / "w.txt").write_text("".join(f"{weights[codon]:.7f}\n" for codon in codonw_order()))
    fasta = coding_sequences(demo, tmp_path)
    options = ("-nomenu", "-silent", "-nowarn", "-cai", "-cai_file", "w.txt")
    run(tmp_path, "codonw", fasta, "out.txt", "bulk.txt", *options)
    lines = (tmp_path / "out.txt").read_text().splitlines()[1:]
    np.testing.assert_allclose(codons.genes.cai, [float(line.split("\t")[1]) for line in lines], rtol=0, atol=0.000501)


def test_pooled_rscu_equals_codonw(demo: Path, tmp_path: Path) -> None:
    options = ("-nomenu", "-silent", "-nowarn", "-human", "-totals", "-rscu")
    run(tmp_path, "codonw", coding_sequences(demo, tmp_path), "out.txt", "bulk.txt", *options)
    words = (tmp_path / "bulk.txt").read_text().split()
    places = [(word.replace("U", "T"), place) for place, word in enumerate(words)]
    found = {codon: float(words[place + 2]) for codon, place in places if codon in CODONS}
    rscu = dict(zip(CODONS, measure(demo).codons.rscu.tolist(), strict=True))
    assert found == pytest.approx(rscu, abs=0.00501)


def test_dinucleotide_odds_equal_compseq(demo: Path, tmp_path: Path) -> None:
    [record] = read_records(demo)
    letters = np.frombuffer(b"TCAGNN", np.uint8)[record.nucleotides].tobytes().decode()
    (tmp_path / "genome.fa").write_text(f">genome\n{letters}\n")
    run(tmp_path, "compseq", "-sequence", "genome.fa", "-word", "2", "-calcfreq", "-outfile", "out.txt", "-auto")
    rows = [line.split() for line in (tmp_path / "out.txt").read_text().splitlines()]
    found = {row[0]: float(row[4]) for row in rows if len(row) == 5 and len(row[0]) == 2}
    assert found == pytest.approx(dict(measure(demo).statistics.dinucleotide_odds), abs=5.1e-5)
