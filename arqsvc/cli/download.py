"""`arqsvc download`: accessions in, a verified file out for each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from arqsvc.cli.progress import Display, print_table
from arqsvc.cli.targets import Target, Work, accession, distinct, do_all, print_errors, writable
from arqsvc.client.wire import Wire
from arqsvc.settings import Settings


async def download(
    settings: Settings, texts: Sequence[str], out: Path, file_format: str, as_json: bool, progress: bool
) -> int:
    """Download each accession; 0 when all succeeded, 1 when one did not."""
    targets = distinct([accession(text) for text in texts])
    writable(out)

    async def prepare(client: Wire, target: Target, display: Display) -> dict[str, Any]:
        return {"accession": target.text, "format": file_format}

    def place(target: Target) -> tuple[Path, list[str]]:
        return out, [target.job["result"]["name"]]

    await do_all(settings, Work("genomes.download", prepare, place), targets, as_json=as_json, progress=progress)
    if not as_json:
        _print_table(targets, out)
    return 0 if all(target.succeeded for target in targets) else 1


def _print_table(targets: Sequence[Target], out: Path) -> None:
    table = Table("target", "record", "length", "size", "fetched", "from", "SHA-256", box=None, pad_edge=False)
    for target in targets:
        if target.succeeded:
            r = target.job["result"]
            sizes = [f"{r['length_bp']:,} bp", f"{r['size_bytes']:,} B", f"{r['transferred_bytes']:,} B"]
            table.add_row(target.label, r["accession"], *sizes, r["source"], r["sha256"])
    if table.row_count:
        print_table(table)
    for target in targets:
        if target.succeeded:
            click.echo(f"{out / target.job['result']['name']}")
    print_errors(targets)
