"""The report of a genome: complete, safe with hostile records, offline, accessible and always the same bytes."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from arqsvc.families.genomes.compute.analyze import measure
from arqsvc.families.genomes.figures.notation import THIN
from arqsvc.families.genomes.report import write_report
from arqsvc.families.genomes.report.tables import MOST_ROWS

VOID = {"meta", "img", "br", "hr", "link", "input"}
GENE = "ATGGCTGCAAAAGAACTGCGTTCTGGTTAA"


def genbank(
    name: str = "TEST01",
    sequence: str = GENE * 50,
    features: str = "",
    topology: str = "linear",
    organism: str = "Testus exemplaris",
    definition: str = "Testus exemplaris, complete genome",
) -> str:
    """Return one GenBank record as text."""
    blocks = [sequence[i : i + 60].lower() for i in range(0, len(sequence), 60)]
    origin = "\n".join(f"{1 + 60 * i:>9} " + " ".join(re.findall(".{1,10}", block)) for i, block in enumerate(blocks))
    return (
        f"LOCUS       {name:<16} {len(sequence):>11} bp    DNA     {topology:<8} BCT 01-JAN-2026\n"
        f"DEFINITION  {definition}.\nACCESSION   {name}\nVERSION     {name}.1\n"
        f"SOURCE      {organism}\n  ORGANISM  {organism}\n            Bacteria.\n"
        f"FEATURES             Location/Qualifiers\n     source          1..{len(sequence)}\n{features}"
        f"ORIGIN\n{origin}\n//\n"
    )


def cds(location: str, **qualifiers: str) -> str:
    lines = [f"     CDS             {location}"]
    lines += [f'                     /{key}="{value}"' for key, value in qualifiers.items()]
    return "\n".join(lines) + "\n"


def report(tmp_path: Path, text: str) -> str:
    """Return the page made of a GenBank text."""
    source = tmp_path / "record.gb"
    source.write_text(text)
    return write_report(measure(source), tmp_path / "out")[0].read_text()


class Page(HTMLParser):
    """What a page holds: its elements, its words, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


ONE_GENE = genbank(features=cds("1..30", locus_tag="T_0001", gene="tesA", product="test protein"))


def test_the_page_says_what_the_record_is(tmp_path: Path) -> None:
    page = Page(report(tmp_path, ONE_GENE))
    said = page.words.replace(THIN, " ")
    for fact in (
        "Testus exemplaris, complete genome",
        "TEST01.1",
        "linear",
        "1 500 bp",
        "10 codons read",
        "0 warnings",
    ):
        assert fact in said
    assert page.all("html")[0]["lang"] == "en"
    assert "Testus exemplaris" in said


def test_the_page_asks_no_server_for_anything(tmp_path: Path) -> None:
    html = report(tmp_path, ONE_GENE)
    page = Page(html)
    for _, attributes in page.elements:
        for key in ("src", "srcset", "data", "action", "poster", "background"):
            assert attributes.get(key, "data:").startswith("data:")
    assert not page.all("link")
    links = {anchor["href"] for anchor in page.all("a")}
    assert all(link.startswith(("#", "https://doi.org/10.")) for link in links)
    assert {f"#{section['id']}" for section in page.all("section")} <= links
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_in_the_page_allows_its_own_script_and_nothing_else(tmp_path: Path) -> None:
    html = report(tmp_path, ONE_GENE)
    policy = next(meta["content"] for meta in Page(html).all("meta") if "http-equiv" in meta)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"script-src 'sha256-{digest}'" in policy


def test_pictures_tables_and_sections_can_be_read_without_seeing_them(tmp_path: Path) -> None:
    html = report(tmp_path, ONE_GENE)
    page = Page(html)
    pictures = page.all("img")
    assert len(pictures) == 4
    assert all(len(picture["alt"]) > 30 and int(picture["width"]) > 300 for picture in pictures)
    for picture in pictures:
        ElementTree.fromstring(base64.b64decode(picture["src"].removeprefix("data:image/svg+xml;base64,")))
    assert len(page.all("table")) == html.count("<caption>")
    assert all(head.get("scope") in ("col", "row") for head in page.all("th"))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} & 'x'"


def test_a_hostile_record_stays_text(tmp_path: Path) -> None:
    name = "<svg/onload=alert(3)>"
    features = cds("1..30", locus_tag=name, gene=HOSTILE, product=HOSTILE) + cds(
        "31..59", locus_tag=name, product=HOSTILE
    )
    page = Page(report(tmp_path, genbank(features=features, organism=HOSTILE, definition=HOSTILE)))
    assert len(page.all("script")) == 1
    assert all(picture["src"].startswith("data:image/svg+xml;base64,") for picture in page.all("img"))
    assert not page.all("svg")
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert HOSTILE in page.words
    assert "49" not in page.words.replace(HOSTILE, "").split()


def test_a_record_without_genes_says_why_figures_are_missing(tmp_path: Path) -> None:
    page = Page(report(tmp_path, genbank(sequence="ACGT" * 100)))
    assert not page.all("img")
    assert list((tmp_path / "out").glob("*.svg")) == []
    for reason in ("No record is as long as one window of 1 kb.", "No gene is annotated.", "No CDS is annotated."):
        assert reason in page.words
    assert "Nothing was found that a curator should look at." in page.words


def test_cds_that_cannot_be_read_are_counted_as_the_reason(tmp_path: Path) -> None:
    page = Page(report(tmp_path, genbank(features=cds("1..30", locus_tag="T_1", pseudogene="unknown"))))
    assert "None of the 1 CDS can be read codon by codon." in page.words
    assert "1 pseudo" in page.words


def test_findings_stand_in_the_report_with_their_level_and_meaning(tmp_path: Path) -> None:
    broken = genbank(features=cds("1..60", locus_tag="T_0001", product="read-through"))
    page = Page(report(tmp_path, broken))
    assert "SEQ_FEAT.InternalStop" in page.words
    assert "CDS T_0001" in page.words
    assert {"level level-error"} <= {cell.get("class", "") for cell in page.all("th")}


def test_many_records_are_pooled_and_listed_and_the_longest_drawn(tmp_path: Path) -> None:
    ring = genbank("RING", GENE * 100, cds("1..30", locus_tag="R_1"), "circular", organism="Alpha prima")
    drafts = [
        genbank(f"C{i:03}", GENE * (40 - i % 7), cds("1..30", locus_tag=f"C_{i}"), organism="Beta secunda")
        for i in range(300)
    ]
    page = Page(report(tmp_path, ring + "".join(drafts)))
    assert "Alpha prima and 1 other organism" in page.words
    assert "RING.1" in page.words
    assert f"The {MOST_ROWS} longest of 301." in page.words
    drawn = {file.name for file in (tmp_path / "out").glob("*.svg")}
    assert {"gc-skew.svg", "gene-map.svg", "gene-map-2.svg"} <= drawn
    assert "gc-skew-2.svg" not in drawn
    assert "The 12 longest of 300 linear records with genes." in page.words


def test_the_same_measurements_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "record.gb").write_text(ONE_GENE)
    written = [write_report(measure(tmp_path / "record.gb"), tmp_path / out) for out in ("a", "b")]
    assert [file.read_bytes() for file in written[0]] == [file.read_bytes() for file in written[1]]
    assert sorted(written[0]) == sorted(file for file in (tmp_path / "a").rglob("*") if file.is_file())
    assert written[0][0] == tmp_path / "a" / "report.html"
    assert str(tmp_path) not in written[0][0].read_text()


@pytest.mark.shared_data
def test_the_report_of_e_coli_tells_its_origin_and_stays_small(shared_data: Path, tmp_path: Path) -> None:
    files = write_report(measure(shared_data / "genomes" / "NC_000913.3_ecoli_k12_mg1655.gbk.gz"), tmp_path)
    page = Page(files[0].read_text())
    alternatives = " ".join(picture["alt"] for picture in page.all("img")).replace(THIN, " ")
    assert "least at the origin, 3.925 Mb, and greatest at the terminus, 1.551 Mb" in alternatives
    assert "CTG for Leu" in alternatives
    said = page.words.replace(THIN, " ")
    assert "0 errors, 0 warnings and 4 notices." in said
    assert "0 errors" in said
    assert files[0].stat().st_size < 2_000_000
    assert all(file.stat().st_size < 400_000 for file in files[1:])


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "genome",
    [
        "J02482.1_phix174.gb", "NC_000932.1_arabidopsis_chloroplast.gb", "NC_001416.1_lambda.gbk",
        "NC_005816.1_yersinia_pestis_plasmid_ppcp1.gb", "NC_018507.1_portiera_bt_b.gbk.gz",
        "NC_031081.1_escherichia_phage_envy.gbk", "NC_036047.1_hospitalitermes_mitochondrion.gb",
        "NC_045512.2_sars_cov_2.gb", "NZ_CP001668.1_mycoplasma_mycoides_gm12.gbff.gz",
        "odd/cor6_6.gb", "odd/D12555_no_cds.gbk",
    ],
)  # fmt: skip
def test_every_real_record_becomes_a_sound_page(shared_data: Path, tmp_path: Path, genome: str) -> None:
    measurements = measure(shared_data / "genomes" / genome)
    files = write_report(measurements, tmp_path)
    page = Page(files[0].read_text())
    assert all(record.accession in page.words for record in measurements.records)
    assert len(page.all("img")) == len(files) - 1
    for figure in files[1:]:
        ElementTree.parse(figure)
