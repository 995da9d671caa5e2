"""The figures of a genome: what they say, that they are small, well-formed and always the same bytes."""

import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arqsvc.bio.genetic_code import CODONS, genetic_code
from arqsvc.families.genomes.compute.measurements import Skew
from arqsvc.families.genomes.compute.record import Features
from arqsvc.families.genomes.figures import codon_usage, gc_skew, gene_lengths, gene_map, notation
from arqsvc.families.genomes.figures.canvas import bar, compact
from arqsvc.families.genomes.figures.gene_map_circle import draw_circular_map
from arqsvc.families.genomes.figures.gene_map_strips import draw_strips

SVG = "{http://www.w3.org/2000/svg}"


def words(svg: Path) -> list[str]:
    """Return what is written in a figure; matplotlib keeps each text as a comment beside its outlines."""
    ElementTree.parse(svg)
    return [text.replace(notation.THIN, " ") for text in re.findall(r"<!-- (.*?) -->", svg.read_text())]


def skew_of(windows: int, origin: int | None, terminus: int | None) -> Skew:
    values = np.where(np.arange(windows) < windows // 2, 0.1, -0.1)
    return Skew(1000, values, np.cumsum(values), origin, terminus)


def features(genes: list[tuple[str, int, int, int, str]]) -> Features:
    """Return features of one part each: key, start, end, strand, name."""
    n = len(genes)
    start, end = np.array([g[1] for g in genes], np.int64), np.array([g[2] for g in genes], np.int64)
    strand, none = np.array([g[3] for g in genes], np.int8), (None,) * n
    no = np.zeros(n, bool)
    return Features(
        kind=tuple(g[0] for g in genes), start0=start, end0=end, strand=strand, length_bp=end - start,
        part_offset=np.arange(n + 1), part_start0=start, part_end0=end, part_strand=strand,
        partial5=no, partial3=no, remote=no, joined=~no, pseudo=no, codon_start=np.ones(n, np.int8),
        transl_table=np.zeros(n, np.int16), locus_tag=none, gene=tuple(g[4] for g in genes), product=none,
        protein_id=none, translation=none, special={}, unsound={},
    )  # fmt: skip


def bacterial(genes: int) -> Features:
    """Return CDS of 900 bp each 1 kb, strands in turn, and a tRNA in every hundredth gap."""
    rows = [("CDS", 1000 * i, 1000 * i + 900, 1 if i % 3 else -1, f"g{i}") for i in range(genes)]
    return features(rows + [("tRNA", 1000 * i + 910, 1000 * i + 985, 1, f"t{i}") for i in range(0, genes, 100)])


def test_a_circular_skew_plot_names_origin_and_terminus_with_their_places(tmp_path: Path) -> None:
    gc_skew.draw_circular(tmp_path / "skew.svg", skew_of(4641, 3_925_000, 1_551_000), "NC_000913.3", 4_641_652)
    said = words(tmp_path / "skew.svg")
    assert {"origin", "3.925 Mb", "terminus", "1.551 Mb", "4 641 652 bp", "0 Mb"} <= set(said)
    assert "(G − C)/(G + C), 6 kb steps" in said


def test_a_circular_skew_plot_without_origin_marks_nothing(tmp_path: Path) -> None:
    gc_skew.draw_circular(tmp_path / "skew.svg", skew_of(5, None, None), "J02482.1", 5386)
    assert not {"origin", "terminus"} & set(words(tmp_path / "skew.svg"))


def test_a_linear_skew_plot_has_units_on_both_axes(tmp_path: Path) -> None:
    gc_skew.draw_linear(tmp_path / "skew.svg", skew_of(29, None, None), "NC_045512.2", 29_903)
    said = words(tmp_path / "skew.svg")
    assert {"Position (kb)", "(G − C)/(G + C)", "(1 kb windows)"} <= set(said)


def test_a_skew_of_nothing_but_zero_is_drawn(tmp_path: Path) -> None:
    flat = Skew(1000, np.zeros(3), np.zeros(3), None, None)
    gc_skew.draw_circular(tmp_path / "circle.svg", flat, "x", 3000)
    gc_skew.draw_linear(tmp_path / "line.svg", flat, "x", 3000)
    assert words(tmp_path / "circle.svg")
    assert words(tmp_path / "line.svg")


@pytest.mark.parametrize("table", [1, 4, 5])
def test_rscu_labels_all_codons_under_the_amino_acids_of_the_code(tmp_path: Path, table: int) -> None:
    code = genetic_code(table)
    codon_usage.draw_rscu(tmp_path / "rscu.svg", np.ones(64), code)
    said = words(tmp_path / "rscu.svg")
    assert set(CODONS) <= set(said)
    assert said.index("Trp") < said.index("Stop")
    assert {"RSCU (1 = no preference)", "codon ends in G or C"} <= set(said)


def test_rscu_of_families_that_were_not_seen_leaves_them_empty(tmp_path: Path) -> None:
    rscu = np.full(64, np.nan)
    rscu[CODONS.index("ATG")] = 1.0
    codon_usage.draw_rscu(tmp_path / "rscu.svg", rscu, genetic_code(1))
    assert "Met" in words(tmp_path / "rscu.svg")


@pytest.mark.parametrize("genes", [1, 200, 5000])
def test_nc_against_gc3s_says_how_many_genes_it_shows_and_stays_small(tmp_path: Path, genes: int) -> None:
    random = np.random.default_rng(7)
    gc3s, nc = random.uniform(0.3, 0.8, genes), random.uniform(30, 61, genes)
    codon_usage.draw_nc_gc3s(tmp_path / "nc.svg", nc, gc3s, (0.5, 48.0))
    said = words(tmp_path / "nc.svg")
    assert notation.count(genes, "gene").replace(notation.THIN, " ") in said
    assert "expected from GC3s alone (Wright)" in said
    assert (tmp_path / "nc.svg").stat().st_size < 300_000


@pytest.mark.parametrize(("cds", "rna"), [([900], []), ([], [76]), ([300, 30_000], [76, 1540])])
def test_gene_lengths_carry_units_and_the_number_of_genes(tmp_path: Path, cds: list[int], rna: list[int]) -> None:
    gene_lengths.draw_gene_lengths(tmp_path / "lengths.svg", np.array(cds, np.int64), np.array(rna, np.int64))
    said = words(tmp_path / "lengths.svg")
    assert {"Gene length (bp, logarithmic)", "Genes"} <= set(said)
    assert (f"{len(cds)} CDS" in said) == bool(cds)
    assert (notation.count(len(rna), "RNA gene") in said) == bool(rna)


def test_a_map_of_five_thousand_genes_is_one_element_a_kind_and_under_half_a_megabyte(tmp_path: Path) -> None:
    draw_circular_map(tmp_path / "map.svg", bacterial(5000), "NC_1.1", 5_000_000)
    root = ElementTree.parse(tmp_path / "map.svg").getroot()
    filled = [path for path in root.iter(f"{SVG}path") if "#0072b2" in path.get("style", "")]
    assert max(path.get("d", "").count("M") for path in filled) == 5000
    assert (tmp_path / "map.svg").stat().st_size < 500_000
    assert {"CDS", "tRNA, outer half", "0 Mb", "CDS of the reverse strand"} <= set(words(tmp_path / "map.svg"))


def test_a_small_map_names_its_genes_and_a_large_one_does_not(tmp_path: Path) -> None:
    for genes, named in ((20, True), (200, False)):
        draw_circular_map(tmp_path / "map.svg", bacterial(genes), "x", genes * 1000)
        assert ("g7" in words(tmp_path / "map.svg")) == named


def test_a_gene_across_the_origin_keeps_both_its_pieces(tmp_path: Path) -> None:
    genes = features([("CDS", 900, 1000, 1, "A"), ("CDS", 0, 50, 1, "B")])
    across = Features(**{
        **{name: getattr(genes, name) for name in Features.__slots__},
        "kind": ("CDS",), "gene": ("A",), "part_offset": np.array([0, 2]),
    })  # fmt: skip
    drawn = gene_map.pieces(across, least_bp=1)
    assert [(piece.start0, piece.end0, piece.last) for piece in drawn] == [(0, 50, True), (900, 1000, False)]
    draw_circular_map(tmp_path / "map.svg", across, "x", 1000)
    assert words(tmp_path / "map.svg").count("A") == 1


def test_overlapping_genes_of_a_strand_get_lanes_and_others_share_one() -> None:
    genes = features(
        [("CDS", 0, 900, 1, "a"), ("CDS", 100, 500, 1, "b"), ("CDS", 100, 500, -1, "c"), ("CDS", 896, 1200, 1, "d")]
    )
    drawn = gene_map.pieces(genes, least_bp=4)
    assert [(piece.start0, piece.forward, piece.lane) for piece in drawn] == [
        (0, True, 0), (100, True, 1), (100, False, 0), (896, True, 0),
    ]  # fmt: skip


def test_linear_records_are_strips_with_a_unit_and_their_names(tmp_path: Path) -> None:
    draw_strips(tmp_path / "map.svg", [("L1.1", 40_000, bacterial(40)), ("L2.1", 3_000, features([]))])
    said = words(tmp_path / "map.svg")
    assert {"L1.1", "L2.1", "Position (kb)", "g39", "CDS"} <= set(said)


def test_a_single_long_linear_record_is_cut_into_strips_that_hold_every_gene(tmp_path: Path) -> None:
    draw_strips(tmp_path / "map.svg", [("L1.1", 100_000, bacterial(100))])
    said = words(tmp_path / "map.svg")
    assert {f"g{i}" for i in range(100)} <= set(said)


@pytest.mark.parametrize("name", ["--><script>alert(1)</script>", "$\\frac{x}", "a\nb", "漢字", "<&\"'>"])
def test_hostile_names_stay_text(tmp_path: Path, name: str) -> None:
    genes = features([("CDS", 0, 900, 1, name)])
    draw_circular_map(tmp_path / "circle.svg", genes, name, 1000)
    draw_strips(tmp_path / "strips.svg", [(name, 1000, genes)])
    for svg in (tmp_path / "circle.svg", tmp_path / "strips.svg"):
        tags = {element.tag.removeprefix(SVG) for element in ElementTree.parse(svg).getroot().iter()}
        assert tags <= {"svg", "defs", "style", "g", "path", "use", "clipPath", "rect"}


def test_the_same_drawing_gives_the_same_bytes_whatever_matplotlib_was_told_before(tmp_path: Path) -> None:
    def draw(name: str) -> bytes:
        gc_skew.draw_circular(tmp_path / name, skew_of(200, 0, 100_000), "x", 200_000)
        return (tmp_path / name).read_bytes()

    first = draw("a.svg")
    with matplotlib.rc_context({"font.size": 20, "svg.hashsalt": "other", "lines.linewidth": 9}):
        assert draw("b.svg") == first
    assert not re.search(rb"<dc:date>|Matplotlib v", first)


def test_shorter_path_data_keep_lines_after_curves() -> None:
    straight = '<path d="M 1.23456 2 \nL 3 4 \nL 5 6 \nz"/>'
    curved = '<path d="M 1 2 \nQ 3 4 5 6 \nL 7.891 8 \n"/>'
    assert compact(straight) == '<path d="M 1.23 2 3 4 5 6 z"/>'
    assert compact(curved) == '<path d="M 1 2 Q 3 4 5 6 L 7.89 8"/>'


@pytest.mark.parametrize(("head", "tip"), [(2.0, (10.0, 0.5)), (-2.0, (0.0, 0.5))])
def test_an_arrow_points_to_its_end(head: float, tip: tuple[float, float]) -> None:
    corners = bar(0.0, 10.0, 0.0, 1.0, head=head)
    assert tip in corners
    assert len(corners) == 5


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.floats(0.1, 5))
def test_spread_names_keep_order_distance_and_room(places: list[float], gap: float) -> None:
    placed = gene_map.spread(np.sort(np.array(places)), gap, 0.0, 100.0)
    room = min(gap, 100.0 / max(len(places) - 1, 1))
    assert (np.diff(placed) >= room - 1e-9).all()
    assert placed.min() >= -1e-9
    assert placed.max() <= 100 + 1e-9


def test_a_gene_that_lies_in_another_record_is_not_on_the_map(tmp_path: Path) -> None:
    away = features([("CDS", 0, 0, 1, "away"), ("CDS", 10, 400, 1, "here")])
    assert gene_map.gene_count(away) == 1
    draw_circular_map(tmp_path / "map.svg", away, "x", 1000)
    assert "away" not in words(tmp_path / "map.svg")


def test_gene_features_are_drawn_only_where_there_is_no_product() -> None:
    bare, full = [("gene", 0, 900, 1, "g")], [("gene", 0, 900, 1, "g"), ("CDS", 0, 900, 1, "g")]
    assert [piece.kind for piece in gene_map.pieces(features(bare), 1)] == ["gene"]
    assert [piece.kind for piece in gene_map.pieces(features(full), 1)] == ["CDS"]


def test_a_linear_chromosome_of_eight_thousand_genes_stays_small(tmp_path: Path) -> None:
    draw_strips(tmp_path / "map.svg", [("S1.1", 8_000_000, bacterial(8000))])
    assert (tmp_path / "map.svg").stat().st_size < 900_000
    assert "Position (Mb)" in words(tmp_path / "map.svg")
