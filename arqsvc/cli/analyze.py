"""`arqsvc analyze`: files in, a folder of results out for each; through the API of an instance, ours if none runs."""

import asyncio
import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from signal import SIGTERM
from typing import Any

import click
import httpx
from rich.table import Table

from arqsvc.cli.instance import Instance, running_instance
from arqsvc.cli.progress import Display, print_table
from arqsvc.client import FINAL, Client
from arqsvc.errors import ArqsvcError, CannotStart, StateInUse
from arqsvc.jobs.files import check_name
from arqsvc.logs import log_to
from arqsvc.settings import Settings

KIND = "genomes.analyze"
AT_ONCE = 8
"""Targets that are uploaded and followed at a time."""
CANCEL_S = 10.0
START_S = 60.0


@dataclass(slots=True)
class Target:
    """One file to analyse, and what became of it."""

    path: Path
    label: str
    """What it is called on the screen: the file's name, or the path where two have the same name."""
    job: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    folder: Path | None = None

    @property
    def succeeded(self) -> bool:
        """Whether all its results are on disk."""
        return self.folder is not None

    def as_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "target": str(self.path),
            "state": self.job.get("state", "failed") if self.error is None else "failed",
            "job_id": self.job.get("id"),
            "out": str(self.folder) if self.folder else None,
            "files": sorted(file["name"] for file in self.job.get("files", ())),
            "result": self.job.get("result"),
            "error": self.error,
        }


def demo_record() -> Path:
    """Return the path of the real record that comes with the package."""
    with as_file(files("arqsvc.families.genomes") / "data" / "NC_000932.1.gb.gz") as path:
        return path


async def analyze(
    settings: Settings, paths: Sequence[Path], out: Path, params: dict[str, Any], as_json: bool, progress: bool
) -> int:
    """Analyse each path; 0 when all succeeded, 1 when one did not."""
    _check(paths, out)
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(SIGTERM, task.cancel)
    names = Counter(path.name for path in paths)
    targets = [Target(path, path.name if names[path.name] == 1 else str(path)) for path in paths]
    with Display(shown=progress) as display:
        async with _service(settings) as client:
            await _analyze_all(client, targets, out, params, display)
    if as_json:
        for target in targets:
            click.echo(json.dumps(target.as_json()))
    else:
        _print_table(targets)
    return 0 if all(target.succeeded for target in targets) else 1


def _check(paths: Sequence[Path], out: Path) -> None:
    """Refuse at once what cannot work.

    Raises:
        CannotStart: a target is missing or no file, or the folder for results cannot be written.
    """
    for path in paths:
        try:
            if not path.is_file():
                what = "is a folder" if path.is_dir() else "does not exist"
                raise CannotStart(f"{path} {what}. Name a GenBank file (.gb, .gbk, .gbff, plain or .gz).")
            path.open("rb").close()
        except OSError as error:
            raise CannotStart(f"{path} cannot be read: {error.strerror}.") from error
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise CannotStart(f"{out} cannot be written: {error.strerror}. Choose another folder with --out.") from error


@asynccontextmanager
async def _service(settings: Settings) -> AsyncIterator[Client]:
    """Yield a client of ARQSVC_URL, or of the instance on this state folder; starts one if none runs."""
    if settings.url and settings.api_key:
        async with Client(settings.url, settings.api_key.get_secret_value()) as client:
            yield client
        return
    log_file = settings.log_file or settings.state_dir / "arqsvc.log"
    log_to(settings.log_level, log_file)
    own = settings.model_copy(update={"port": 0, "host": "127.0.0.1", "log_file": log_file})
    async with AsyncExitStack() as stack:
        try:
            instance = await stack.enter_async_context(running_instance(own))
        except StateInUse as error:
            instance = await _instance_that_holds(settings.state_dir, error)
        yield await stack.enter_async_context(Client(instance.url, instance.api_key))


async def _instance_that_holds(state_dir: Path, in_use: StateInUse) -> Instance:
    """Return the running instance that holds the state, once it answers."""
    try:
        async with asyncio.timeout(START_S), httpx.AsyncClient(trust_env=False) as http:
            while True:
                if instance := Instance.of(state_dir):
                    try:
                        if (await http.get(f"{instance.url}/livez")).is_success:
                            return instance
                    except httpx.TransportError:
                        pass
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise in_use from None


async def _analyze_all(
    client: Client, targets: Sequence[Target], out: Path, params: dict[str, Any], display: Display
) -> None:
    """Analyse all; when interrupted, cancel what was submitted and see it end."""
    slots, names = asyncio.Semaphore(AT_ONCE), _Names(out)

    async def one(target: Target) -> None:
        async with slots:
            try:
                await _analyze_one(client, target, names, params, display)
            except ArqsvcError as error:
                target.error = error.problem()
            except OSError as error:
                detail = f"{error.filename or out}: {error.strerror}. Free space there, or choose another folder."
                target.error = {"title": "Results not written", "detail": detail}
            display.ended(target.label, ok=target.succeeded)

    try:
        async with asyncio.TaskGroup() as group:
            for target in targets:
                group.create_task(one(target))
    except asyncio.CancelledError:
        await _cancel_all(client, targets)
        raise


async def _analyze_one(
    client: Client, target: Target, names: "_Names", params: dict[str, Any], display: Display
) -> None:
    display.at(target.label, "upload", 0.0)
    file = await client.upload(target.path)
    await _submit(client, target, {"file_id": file["id"], **params})
    async for event in client.follow(target.job["id"]):
        data = event["data"]
        if event["type"] == "progress":
            display.at(target.label, data["step"], data["fraction"])
        elif data["state"] not in FINAL:
            display.at(target.label, data["state"], None)
    target.job = await client.job(target.job["id"])
    if target.job["state"] != "succeeded":
        target.error = target.job["error"] or {"title": "Cancelled", "detail": f"The job was {target.job['reason']}."}
        return
    target.folder = await _fetch(client, target, names)


async def _submit(client: Client, target: Target, params: dict[str, Any]) -> None:
    """Submit, and know the job: an interrupt waits for the answer, so that the job can be cancelled."""

    async def submit() -> None:
        target.job = await client.submit(KIND, params)

    submitting = asyncio.ensure_future(submit())
    try:
        await asyncio.shield(submitting)
    except asyncio.CancelledError:
        await asyncio.wait([submitting], timeout=CANCEL_S)
        raise


async def _cancel_all(client: Client, targets: Sequence[Target]) -> None:
    """Cancel what has not ended, and wait until the service says so."""

    async def end(job: str) -> None:
        try:
            await client.cancel(job)
            await client.result(job)
        except ArqsvcError:
            return  # it has ended by itself, or nobody is there any more

    try:
        async with asyncio.timeout(CANCEL_S), asyncio.TaskGroup() as group:
            for target in targets:
                if target.job and target.job["state"] not in FINAL:
                    group.create_task(end(target.job["id"]))
    except TimeoutError:
        click.echo("arqsvc: a job did not end in time; `arqsvc jobs list` shows it.", err=True)


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


async def _fetch(client: Client, target: Target, names: _Names) -> Path:
    """Download all files beside their place, then move them in: a folder never holds half of a file."""
    accession = target.job["result"]["accession"]
    folder = names.folder(accession or _stem(target.path))
    beside = Path(tempfile.mkdtemp(prefix=".arqsvc-", dir=folder.parent))
    try:
        for file in target.job["files"]:
            check_name(file["name"])  # it comes from the service, and says where we write
            await client.download(file["id"], beside / file["name"])
        folder.mkdir(exist_ok=True)
        for path in beside.iterdir():
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


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
        if target.folder:
            click.echo(f"{target.folder / 'report.html'}")
            click.echo(f"{target.folder}/ {' '.join(sorted(file['name'] for file in target.job['files']))}")
    for target in targets:
        if target.error:
            click.echo(f"{target.path}: {target.error['title']}. {target.error['detail']}", err=True)
