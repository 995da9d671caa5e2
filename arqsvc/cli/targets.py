"""What the commands that work on many targets share: a service to ask, a job a target, its files on disk."""

import asyncio
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from typing import Any

import click
import httpx
from pydantic import TypeAdapter, ValidationError

from arqsvc.bio.accession import parse
from arqsvc.cli.instance import running_instance
from arqsvc.cli.progress import Display
from arqsvc.cli.running import Instance
from arqsvc.client.stream import FINAL
from arqsvc.client.wire import Wire
from arqsvc.errors import ArqsvcError, CannotStart, StateInUse
from arqsvc.families.genomes.params import Accession
from arqsvc.jobs.files import check_name
from arqsvc.logs import log_to
from arqsvc.settings import Settings

AT_ONCE = 8
"""Targets that are uploaded and followed at a time."""
CANCEL_S = 10.0
START_S = 60.0


@dataclass(slots=True)
class Target:
    """One file or accession, and what became of it."""

    text: str
    """As it was given."""
    path: Path | None = None
    """The file; None for an accession."""
    label: str = ""
    """What it is called on the screen: the file's name, or the path where two have the same name."""
    job: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    out: Path | None = None
    """Where its results lie, once all are on disk."""

    @property
    def succeeded(self) -> bool:
        """Whether all its results are on disk."""
        return self.out is not None

    def as_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "target": self.text,
            "state": self.job.get("state", "failed") if self.error is None else "failed",
            "job_id": self.job.get("id"),
            "out": str(self.out) if self.out else None,
            "files": sorted(file["name"] for file in self.job.get("files", ())),
            "result": self.job.get("result"),
            "error": self.error,
        }


def accession(text: str) -> Target:
    """Return the target that an accession names.

    Raises:
        CannotStart: it is none, or none that a genome can be downloaded by; says where it belongs.
    """
    try:
        return Target(text, label=TypeAdapter(Accession).validate_python(text))
    except ValidationError as error:
        raise CannotStart(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from error


def file_or_accession(text: str) -> Target:
    """Return the target that this names: a file that exists, else an accession.

    Raises:
        CannotStart: it is neither, or cannot be read.
    """
    path = Path(text)
    try:
        if path.is_file():
            path.open("rb").close()
            return Target(text, path, path.name)
        if path.is_dir():
            raise CannotStart(f"{path} is a folder. {_NAME_ONE}")
        parse(text)
    except OSError as error:
        raise CannotStart(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CannotStart(f"{path} does not exist, and is no accession. {_NAME_ONE}") from error
    return accession(text)


_NAME_ONE = (
    "Name a GenBank file (.gb, .gbk, .gbff, plain or .gz), or an accession such as NC_000913.3 or GCF_000005845.2."
)


def distinct(targets: list[Target]) -> list[Target]:
    """Return the targets, called by all that was given where two would be called the same."""
    names = Counter(target.label for target in targets)
    for target in targets:
        target.label = target.label if names[target.label] == 1 else target.text
    return targets


def writable(out: Path) -> None:
    """Make a folder for results.

    Raises:
        CannotStart: it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise CannotStart(f"{out} cannot be written: {error.strerror}. Choose another folder with --out.") from error


Prepare = Callable[[Wire, Target, Display], Awaitable[dict[str, Any]]]
"""Returns the parameters of a target's job, after an upload if need be."""
Place = Callable[[Target], tuple[Path, list[str]]]
"""Returns in which folder the files of a job that has succeeded belong, and which of them."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a command does with each target."""

    kind: str
    prepare: Prepare
    place: Place


async def do_all(settings: Settings, work: Work, targets: Sequence[Target], *, as_json: bool, progress: bool) -> None:
    """Do all targets through the service of this user, and print what `--json` wants."""
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(SIGTERM, task.cancel)
    with Display(shown=progress) as display:
        async with _service(settings) as client:
            await _all(client, work, targets, display)
    if as_json:
        for target in targets:
            click.echo(json.dumps(target.as_json()))


def print_errors(targets: Sequence[Target]) -> None:
    """Print what failed, a line each, on standard error."""
    for target in targets:
        if target.error:
            click.echo(f"{target.text}: {target.error['title']}. {target.error['detail']}", err=True)


@asynccontextmanager
async def _service(settings: Settings) -> AsyncIterator[Wire]:
    """Yield a client of ARQSVC_URL, or of the instance on this state folder; starts one if none runs."""
    if settings.url and settings.api_key:
        async with Wire(settings.url, settings.api_key.get_secret_value()) as client:
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
        yield await stack.enter_async_context(Wire(instance.url, instance.api_key))


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


async def _all(client: Wire, work: Work, targets: Sequence[Target], display: Display) -> None:
    """Do all; when interrupted, cancel what was submitted and see it end."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(target: Target) -> None:
        async with slots:
            try:
                await _one(client, work, target, display)
            except ArqsvcError as error:
                target.error = error.problem()
            except OSError as error:
                detail = f"{error.filename}: {error.strerror}. Free space there, or choose another folder."
                target.error = {"title": "Results not written", "detail": detail}
            display.ended(target.label, ok=target.succeeded)

    try:
        async with asyncio.TaskGroup() as group:
            for target in targets:
                group.create_task(one(target))
    except asyncio.CancelledError:
        await _cancel_all(client, targets)
        raise


async def _one(client: Wire, work: Work, target: Target, display: Display) -> None:
    params = await work.prepare(client, target, display)
    await _submit(client, work.kind, target, params)
    for job in [*(need["id"] for need in target.job["needs"]), target.job["id"]]:
        async for event in client.follow(job):
            display.event(target.label, event)
    target.job = await client.job(target.job["id"])
    if target.job["state"] != "succeeded":
        target.error = target.job["error"] or {"title": "Cancelled", "detail": f"The job was {target.job['reason']}."}
        return
    target.out = await _fetch(client, target, *work.place(target))


async def _submit(client: Wire, kind: str, target: Target, params: dict[str, Any]) -> None:
    """Submit, and know the job: an interrupt waits for the answer, so that the job can be cancelled."""

    async def submit() -> None:
        target.job = await client.submit(kind, params)

    submitting = asyncio.ensure_future(submit())
    try:
        await asyncio.shield(submitting)
    except asyncio.CancelledError:
        await asyncio.wait([submitting], timeout=CANCEL_S)
        raise


async def _cancel_all(client: Wire, targets: Sequence[Target]) -> None:
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


async def _fetch(client: Wire, target: Target, folder: Path, names: list[str]) -> Path:
    """Download files beside their place, then move them in: a folder never holds half of a file."""
    beside = Path(tempfile.mkdtemp(prefix=".arqsvc-", dir=folder.parent))
    try:
        for each in target.job["files"]:
            if each["name"] in names:
                check_name(each["name"])  # it comes from the service, and says where we write
                await client.download(each["id"], beside / each["name"])
        folder.mkdir(exist_ok=True)
        for path in beside.iterdir():
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder
