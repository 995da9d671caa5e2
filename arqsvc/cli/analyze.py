"""`arqsvc analyze`: files and accessions in, a folder of results out for each."""

import re
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from arqsvc.cli.progress import Display, print_table
from arqsvc.cli.targets import Target, Work, distinct, do_all, file_or_accession, print_errors, writable
from arqsvc.client.wire import Wire
from arqsvc.settings import Settings


def demo_record() -> str:
    """Return the path of the real record that comes with the package."""
    with as_file(files("arqsvc.families.genomes") / "data" / "NC_000932.1.gb.gz") as path:
        return str(path)


async def analyze(
    settings: Settings, texts: Sequence[str], out: Path, params: dict[str, Any], as_json: bool, progress: bool
) -> int:
    """Analyse each file and accession; 0 when all succeeded, 1 when one did not."""
    targets = distinct([file_or_accession(text) for text in texts])
    writable(out)
    names = _Names(out)

    async def prepare(client: Wire, target: Target, display: Display) -> dict[str, Any]:
        if target.path is None:
            return {"accession": target.text, **params}
        display.at(target.label, "upload", 0.0)
        return {"file_id": (await client.upload(target.path))["id"], **params}

    def place(target: Target) -> tuple[Path, list[str]]:
        stem = _stem(target.path) if target.path else target.label
        return names.folder(target.job["result"]["accession"] or stem), [each["name"] for each in target.job["files"]]

    await do_all(settings, Work("genomes.analyze", prepare, place), targets, as_json=as_json, progress=progress)
    if not as_json:
        _print_table(targets)
    return 0 if all(target.succeeded for target in targets) else 1


class _Names:
    """Gives each target a folder of its own below `out`."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._taken: set[str] = set()

    def folder(self, wished: str) -> Path:
        name = base = re.sub(r"[^\w.+-]", "_", wished).lstrip(".") or "genome"
        number = 1
        while name in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._taken.add(name)
        return self._out / name


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return Path(name).stem if Path(name).suffix.lower() in {".gb", ".gbk", ".gbff"} else name


def _print_table(targets: Sequence[Target]) -> None:
    table = Table("target", "record", "length", "GC", "CDS", "errors", "warnings", "notices", box=None, pad_edge=False)
    for target in targets:
        if target.succeeded:
            r = target.job["result"]
            gc = f"{r['gc']:.2%}" if r["gc"] is not None else "-"
            numbers = [f"{r['length_bp']:,} bp", gc, *(f"{r[n]:,}" for n in ("cds", "errors", "warnings", "notices"))]
            records = f"{r['records']} records" if r["records"] > 1 else "-"
            table.add_row(target.label, r["accession"] or records, *numbers)
    if table.row_count:
        print_table(table)
    for target in targets:
        if target.out:
            click.echo(f"{target.out / 'report.html'}")
            click.echo(f"{target.out}/ {' '.join(sorted(each['name'] for each in target.job['files']))}")
    print_errors(targets)
