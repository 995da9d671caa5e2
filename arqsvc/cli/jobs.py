"""`arqsvc jobs`: the public API from a terminal."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from arqsvc.cli.progress import print_table
from arqsvc.cli.running import Instance
from arqsvc.client.wire import Wire
from arqsvc.errors import CannotStart
from arqsvc.settings import Settings


def client_of(settings: Settings) -> Wire:
    """Return a client of `ARQSVC_URL`, or of the instance that holds the state folder.

    Raises:
        CannotStart: there is neither, or no key.
    """
    instance = Instance.of(settings.state_dir)
    url = settings.url or (instance.url if instance else None)
    key = settings.api_key.get_secret_value() if settings.api_key else None
    if key is None and instance and url == instance.url:
        key = instance.api_key
    if not url:
        raise CannotStart(
            f"No service: set ARQSVC_URL and ARQSVC_API_KEY, or run `arqsvc up` (state folder {settings.state_dir})."
        )
    if not key:
        raise CannotStart(
            f"No key for {url}: set ARQSVC_API_KEY. `arqsvc keys create` makes one, where that service runs."
        )
    return Wire(url, key)


async def list_jobs(settings: Settings, states: Sequence[str], kinds: Sequence[str], limit: int, as_json: bool) -> int:
    """Print the newest jobs, as a table or a JSON object a line."""
    async with client_of(settings) as client:
        jobs = await client.jobs(state=states or None, kind=kinds or None, limit=limit)
    if as_json:
        for job in jobs:
            click.echo(json.dumps(job))
        return 0
    table = Table("id", "kind", "state", "reason", "progress", "created (UTC)", "record", box=None)
    for job in jobs:
        progress = job["progress"] or {}
        at = f"{progress['fraction']:.0%} {progress['step']}" if progress else ""
        what = (job["result"] or {}).get("accession") or (job["result"] or {}).get("organism") or ""
        table.add_row(job["id"], job["kind"], job["state"], job["reason"] or "", at, job["created_at"][:19], what)
    if jobs:
        print_table(table)
    else:
        click.echo("No job. `arqsvc analyze my.gbk.gz` makes one.")
    return 0


async def show(settings: Settings, job: str) -> int:
    """Print a job as JSON."""
    async with client_of(settings) as client:
        click.echo(json.dumps(await client.job(job), indent=2))
    return 0


async def watch(settings: Settings, job: str) -> int:
    """Print the events of a job until it ends."""
    state = ""
    async with client_of(settings) as client:
        async for event in client.follow(job):
            click.echo(event_line(event))
            state = event["data"].get("state", state)
    return 0 if state in {"succeeded", ""} else 1


async def act(settings: Settings, verb: str, job: str, reason: str | None) -> int:
    """Cancel or retry a job, and print what it is then."""
    async with client_of(settings) as client:
        done = await (client.cancel(job, reason) if verb == "cancel" else client.retry(job))
    asked = ", to be cancelled" if done["state"] == "running" and done["cancel_requested_at"] else ""
    click.echo(f"{done['id']} {done['state']}{asked}")
    return 0


async def submit(settings: Settings, kind: str, params: Sequence[str]) -> int:
    """Submit a job and print its id; a value `@PATH` uploads that file and stands for its id."""
    values: dict[str, Any] = {}
    for text in params:
        name, equals, value = text.partition("=")
        if not equals:
            raise CannotStart(f"-p {text}: a parameter is written name=value.")
        try:
            values[name] = json.loads(value, parse_constant=lambda word: word)
        except ValueError:
            values[name] = value
    async with client_of(settings) as client:
        for name, value in values.items():
            if isinstance(value, str) and value.startswith("@"):
                values[name] = (await client.upload(_existing(value[1:])))["id"]
        click.echo((await client.submit(kind, values))["id"])
    return 0


def _existing(name: str) -> Path:
    if not (path := Path(name)).is_file():
        raise CannotStart(f"{name} is not a file. `@` before a value uploads the file of that name.")
    return path


def event_line(event: dict[str, Any]) -> str:
    """Return an event as a line for people."""
    data = event["data"]
    if event["type"] == "progress":
        return f"{event['ts'][:19]}  {data['fraction']:4.0%}  {data['step']}"
    why = f" ({data['reason']})" if data["reason"] else ""
    detail = f": {data['error']['detail']}" if data["error"] else ""
    return f"{event['ts'][:19]}  {data['state']}{why}{detail}"
