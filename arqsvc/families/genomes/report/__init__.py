"""The report of an analysed genome: one HTML file that opens anywhere, offline, and the figures beside it."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from arqsvc import __version__
from arqsvc.families.genomes.compute.measurements import Level, Measurements
from arqsvc.families.genomes.figures import notation
from arqsvc.families.genomes.figures.panels import Panel, draw_panels
from arqsvc.families.genomes.report import citations, tables

TEMPLATES = Path(__file__).parents[1] / "templates"

_SIZE = re.compile(r'<svg[^>]* width="([\d.]+)pt" height="([\d.]+)pt"')


@dataclass(frozen=True, slots=True)
class _Picture:
    """An SVG as the page holds it; sizes in CSS pixels."""

    data_uri: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class _Figure:
    """A panel as the page shows it."""

    title: str
    name: str
    alt: str
    caption: str
    picture: _Picture | None
    wide: bool


@dataclass(frozen=True, slots=True)
class _Section:
    key: str
    title: str
    leading: tuple[_Figure, ...]
    """Across the page, before the columns."""

    beside: tuple[_Figure, ...]
    """In a column beside the tables."""

    trailing: tuple[_Figure, ...]
    """Across the page, after the columns."""

    tables: tuple[tables.Table, ...]


@dataclass(frozen=True, slots=True)
class _Fact:
    label: str
    number: str
    detail: str


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    words: str


def write_report(measurements: Measurements, out: Path) -> list[Path]:
    """Write `report.html` and its figures, `*.svg`, into a folder; return the files written, the report first.

    The same measurements give the same bytes. The page asks no server for anything: figures are in it as data, and a
    policy in its head forbids the rest. Without scripts it is whole; with them its tables sort.

    Args:
        measurements: of one file.
        out: folder, made if absent.
    """
    out.mkdir(parents=True, exist_ok=True)
    panels = draw_panels(measurements, out)
    page = out / "report.html"
    page.write_text(_page(measurements, panels), encoding="utf-8")
    return [page, *(panel.file for panel in panels if panel.file)]


def _page(measurements: Measurements, panels: Sequence[Panel]) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = environment.get_template("sort.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    longest = max(measurements.records, key=lambda record: record.length_bp)
    return environment.get_template("report.html").render(
        title=_title(measurements),
        subtitle=longest.definition,
        identity=_identity(measurements),
        headline=_headline(measurements),
        sections=_sections(measurements, panels),
        verdict=_verdict(measurements),
        findings=tables.findings(measurements),
        measurements=measurements,
        citation=citations.citation(measurements, __version__),
        references=citations.REFERENCES,
        files=_files(panels),
        version=__version__,
        script_hash=f"sha256-{digest}",
    )


def _title(measurements: Measurements) -> str:
    by_length = sorted(measurements.records, key=lambda record: -record.length_bp)
    organisms = list(dict.fromkeys(record.organism for record in by_length if record.organism))
    if len(organisms) > 1:
        return f"{organisms[0]} and {notation.count(len(organisms) - 1, 'other organism')}"
    return organisms[0] if organisms else by_length[0].accession


def _identity(measurements: Measurements) -> list[str]:
    records = measurements.records
    longest = max(records, key=lambda record: record.length_bp)
    if len(records) > 1:
        return [longest.accession, f"and {notation.count(len(records) - 1, 'more record')}"]
    return [fact for fact in (longest.accession, longest.topology, longest.molecule_type) if fact]


def _headline(measurements: Measurements) -> list[_Fact]:
    said, genes, usage = measurements.statistics, measurements.genes, measurements.codons
    length = f"{notation.bases(said.length_bp)}, {notation.count(said.records, 'record')}"
    rna = f"{notation.integer(genes.trna)} tRNA, {notation.integer(genes.rrna)} rRNA"
    read = "none read" if usage.genetic_code is None else f"{notation.integer(usage.codons_total)} codons read"
    levels = [notation.count(measurements.count(level), level) for level in ("warning", "notice")]
    return [
        _Fact("Length", notation.length(said.length_bp), length),
        _Fact("GC", notation.percent(said.gc), "of A, C, G and T"),
        _Fact("CDS", notation.integer(genes.cds), f"{notation.integer(genes.pseudo)} of them pseudo"),
        _Fact("RNA genes", notation.integer(genes.trna + genes.rrna + genes.ncrna + genes.tmrna), rna),
        _Fact("Coding density", notation.percent(genes.coding_density), "union of all CDS"),
        _Fact("Genetic code", str(usage.genetic_code or notation.UNKNOWN), read),
        _Fact("Validation errors", notation.integer(measurements.count("error")), ", ".join(levels)),
    ]


def _sections(measurements: Measurements, panels: Sequence[Panel]) -> list[_Section]:
    usage = measurements.codons
    sequence = [tables.sequence_facts(measurements), tables.dinucleotide_odds(measurements.statistics)]
    if len(measurements.records) > 1:
        sequence.append(tables.records(measurements.records))
    genes = [tables.gene_facts(measurements.genes), tables.features(measurements.genes)]
    codons = [tables.codon_facts(usage)] if measurements.genes.cds else []
    if usage.genetic_code is not None:
        codons += [table for table in (tables.codons(usage), tables.outliers(usage)) if table]
    titles = (("sequence", "Sequence", sequence), ("genes", "Genes", genes), ("codons", "Codons", codons))
    return [
        _section(key, title, [panel for panel in panels if panel.section == key], said) for key, title, said in titles
    ]


def _section(key: str, title: str, panels: Sequence[Panel], said: Sequence[tables.Table]) -> _Section:
    figures = [_figure(panel) for panel in panels]
    first = next((place for place, figure in enumerate(figures) if not figure.wide), len(figures))
    beside = tuple(figure for figure in figures if not figure.wide)
    trailing = tuple(figure for figure in figures[first:] if figure.wide)
    return _Section(key, title, tuple(figures[:first]), beside, trailing, tuple(said))


def _figure(panel: Panel) -> _Figure:
    if panel.file is None:
        return _Figure(panel.title, "", "", panel.caption, None, wide=True)
    svg = panel.file.read_bytes()
    size = _SIZE.match(svg.decode())
    assert size, f"{panel.file.name} does not begin as our figures do"
    width_px, height_px = (round(float(points) * 4 / 3) for points in size.groups())
    data_uri = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    picture = _Picture(data_uri, width_px, height_px)
    return _Figure(panel.title, panel.file.name, panel.alt, panel.caption, picture, wide=panel.wide)


def _verdict(measurements: Measurements) -> str:
    if not measurements.findings:
        return "Nothing was found that a curator should look at."
    levels: tuple[Level, ...] = ("error", "warning", "notice")
    said = notation.listed([notation.count(measurements.count(level), level) for level in levels])
    only_notices = all(finding.level == "notice" for finding in measurements.findings)
    return f"{said}." + (" Nothing needs correction; what is noted is explained below." if only_notices else "")


def _files(panels: Sequence[Panel]) -> list[_File]:
    return [
        _File("result.json", "all numbers, unrounded, for programs"),
        _File("codons.tsv", "codon usage of every CDS"),
        _File("genes.tsv", "every feature with its place"),
        _File("validation.tsv", "every finding"),
        _File("run.json", "when, where and with what this was run"),
        *(_File(panel.file.name, panel.title) for panel in panels if panel.file),
    ]
