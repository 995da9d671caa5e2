"""The ten real genomes against seqkit, EMBOSS, codonW, Biopython and gb-io."""

import gzip
import io
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import gb_io
import numpy as np
import pytest

from arqsvc.bio.genetic_code import CODONS
from arqsvc.families.genomes.compute.analyze import measure
from arqsvc.families.genomes.compute.genbank import read_records
from arqsvc.families.genomes.compute.measurements import Measurements

pytestmark = pytest.mark.shared_data

GENOMES = (
    "J02482.1_phix174.gb",
    "NC_000913.3_ecoli_k12_mg1655.gbk.gz",
    "NC_000932.1_arabidopsis_chloroplast.gb",
    "NC_001416.1_lambda.gbk",
    "NC_005816.1_yersinia_pestis_plasmid_ppcp1.gb",
    "NC_018507.1_portiera_bt_b.gbk.gz",
    "NC_031081.1_escherichia_phage_envy.gbk",
    "NC_036047.1_hospitalitermes_mitochondrion.gb",
    "NC_045512.2_sars_cov_2.gb",
    "NZ_CP001668.1_mycoplasma_mycoides_gm12.gbff.gz",
)
each_genome = pytest.mark.parametrize("genome", GENOMES)


@lru_cache(maxsize=len(GENOMES))
def measured(path: Path) -> Measurements:
    return measure(path)


def stem(genome: str) -> str:
    return genome.removesuffix(".gz").rsplit(".", 1)[0]


def truth(shared_data: Path, genome: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((shared_data / f"truth/genomes/{stem(genome)}.truth.json").read_text())
    return answer


@each_genome
def test_codon_counts_equal_cusp_codon_by_codon(shared_data: Path, genome: str) -> None:
    codons, expected = measured(shared_data / "genomes" / genome).codons, truth(shared_data, genome)
    assert dict(zip(CODONS, codons.counts.tolist(), strict=True)) == expected["codon_counts_cusp"]
    assert codons.codons_total == expected["codons_total"]
    assert codons.cds_used == expected["cds"]["used_for_codon_usage"]
    assert codons.start_codons == expected["start_codons"]
    assert codons.stop_codons == expected["stop_or_last_codons"]
    gc = [100 * (share or 0) for share in (codons.gc, codons.gc1, codons.gc2, codons.gc3)]
    assert gc == pytest.approx(list(expected["cusp_gc_percent"].values()), abs=0.00501)


@each_genome
def test_nc_and_gc3s_equal_codonw_for_every_gene_and_pooled(shared_data: Path, genome: str) -> None:
    codons = measured(shared_data / "genomes" / genome).codons
    with gzip.open(shared_data / f"truth/genomes/{stem(genome)}.codonw_per_gene.tsv.gz", "rt") as table:
        rows = [line.rstrip("\n").split("\t") for line in table][1:]
    nc = np.array([np.nan if row[1] == "*****" else float(row[1]) for row in rows])
    np.testing.assert_allclose(codons.genes.nc, nc, rtol=0, atol=0.00501, equal_nan=True)
    np.testing.assert_allclose(codons.genes.gc3s, [float(row[2]) for row in rows], rtol=0, atol=0.000501)
    answers = truth(shared_data, genome)
    [pooled] = [value for name, value in answers.items() if name.startswith("codonw_pooled_code")]
    assert codons.nc == pytest.approx(float(pooled["Nc"]), abs=0.00501)
    assert codons.gc3s == pytest.approx(float(pooled["GC3s"]), abs=0.000501)


@each_genome
def test_sequence_facts_equal_seqkit(shared_data: Path, genome: str) -> None:
    facts, expected = measured(shared_data / "genomes" / genome).statistics, truth(shared_data, genome)
    assert facts.length_bp == int(expected["seqkit"]["sum_len"])
    assert facts.n50_bp == int(expected["seqkit"]["N50"])
    assert {base: count for base, count in facts.bases.items() if count} == expected["base_composition"]
    assert facts.gc == pytest.approx(expected["gc_fraction_of_acgt"], abs=5.1e-7)
    assert facts.gc_skew == pytest.approx(expected["gc_skew_(G-C)/(G+C)"], abs=5.1e-7)
    assert facts.at_skew == pytest.approx(expected["at_skew_(A-T)/(A+T)"], abs=5.1e-7)


@each_genome
def test_features_equal_the_count_in_the_file(shared_data: Path, genome: str) -> None:
    genes, expected = measured(shared_data / "genomes" / genome).genes, truth(shared_data, genome)
    assert {kind: row["total"] for kind, row in genes.by_kind.items()} == expected["feature_counts_biopython"]
    cds = expected["cds"]
    assert genes.cds == cds["cds_total"]
    assert genes.pseudo == cds.get("cds_pseudo", 0)
    assert genes.by_kind["CDS"]["forward"] == cds.get("cds_plus_strand", 0)
    assert genes.by_kind["CDS"]["reverse"] == cds.get("cds_minus_strand", 0)
    assert genes.by_kind["CDS"]["both"] == cds.get("cds_mixed_strand", 0)


@each_genome
def test_no_genome_has_an_error_and_naive_mismatches_are_notices(shared_data: Path, genome: str) -> None:
    found = measured(shared_data / "genomes" / genome)
    assert [finding for finding in found.findings if finding.level != "notice"] == []
    recoded = [finding.name for finding in found.findings if finding.code == "SEQ_FEAT.InternalStop"]
    assert recoded == truth(shared_data, genome)["translation_mismatches_ignoring_first_aa"]["ids"]


def spans(location: gb_io.Location) -> list[tuple[int, int, int]]:
    if isinstance(location, gb_io.Complement):
        return [(start, end, -strand) for start, end, strand in reversed(spans(location.location))]
    if isinstance(location, gb_io.Join):
        return [span for part in location.locations for span in spans(part)]
    if isinstance(location, gb_io.Between):
        return [(location.start + 1, location.start + 1, 1)]
    assert isinstance(location, gb_io.Range)
    return [(location.start, location.end, 1)]


@each_genome
def test_every_feature_reads_as_gb_io_reads_it(shared_data: Path, genome: str) -> None:
    path = shared_data / "genomes" / genome
    text = gzip.decompress(path.read_bytes()) if genome.endswith(".gz") else path.read_bytes()
    [record], [other] = read_records(path), gb_io.load(io.BytesIO(text))
    features = record.features
    assert list(features.kind) == [feature.kind for feature in other.features]
    for row, feature in enumerate(other.features):
        values: dict[str, str | None] = {}
        for qualifier in feature.qualifiers:
            values.setdefault(qualifier.key, qualifier.value)
        assert features.parts(row) == spans(feature.location)
        for name in ("locus_tag", "gene", "product", "protein_id"):
            value = values.get(name)
            assert getattr(features, name)[row] == (None if value is None else " ".join(value.split()))
        translation = values.get("translation")
        assert features.translation[row] == (None if translation is None else "".join(translation.split()))
        assert features.codon_start[row] == int(values.get("codon_start") or 1)
        assert features.transl_table[row] == int(values.get("transl_table") or 0)
        assert features.pseudo[row] == ("pseudo" in values or "pseudogene" in values)


def test_e_coli_has_its_known_origin_terminus_and_dinucleotide_odds(shared_data: Path) -> None:
    facts = measured(shared_data / "genomes" / GENOMES[1]).statistics
    assert facts.skew is not None
    assert (facts.skew.origin_bp, facts.skew.terminus_bp) == (3_925_000, 1_551_000)
    odds = [facts.dinucleotide_odds[pair] for pair in ("CG", "TA", "GC")]
    assert odds == pytest.approx([1.1585, 0.7545, 1.2831], abs=5e-5)


def test_e_coli_has_exactly_its_three_selenocysteines_and_one_slippage(shared_data: Path) -> None:
    findings = measured(shared_data / "genomes" / GENOMES[1]).findings
    assert sorted(finding.name for finding in findings) == ["b1474", "b2891", "b3894", "b4079"]
    assert sum("selenocysteine" in finding.message for finding in findings) == 3
    assert sum("slippage" in finding.message for finding in findings) == 1


def test_incomplete_stops_of_a_mitochondrion_are_explained(shared_data: Path) -> None:
    findings = measured(shared_data / "genomes" / GENOMES[7]).findings
    assert [finding.code for finding in findings] == ["SEQ_FEAT.NoStop", "SEQ_FEAT.NoStop"]
    assert all("polyadenylation" in finding.message for finding in findings)


def test_the_odd_files_that_can_be_analysed_are(shared_data: Path) -> None:
    odd = shared_data / "genomes" / "odd"
    expected = {
        row["file"].rsplit("/", 1)[1]: row["biopython"]
        for row in json.loads((odd / "../../truth/odd_genbank.json").read_text())
    }
    for name in ("D12555_no_cds.gbk", "bad_loc_wrap.gb", "cor6_6.gb"):
        records = measure(odd / name).records
        assert [(record.accession, record.length_bp, record.genes.cds) for record in records] == [
            (row["id"], row["record_len"], row["cds"]) for row in expected[name]["first"]
        ]
