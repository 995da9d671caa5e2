"""`arqsvc jobs`: the public API from a terminal."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from arqsvc.cli.progress import print_table
from arqsvc.cli.running import Instance
from arqsvc.client import answers
from arqsvc.client.wire import Wire
from arqsvc.errors import CannotStart
from arqsvc.settings import Settings

MOST_NAMED = 5
"""Jobs that are named where the beginning of an id means several."""
_BEGINNING = re.compile(r"01[0-9a-fA-F]{6}[0-9a-fA-F-]{0,27}")


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


async def id_of(client: Wire, named: str) -> str:
    """Return the id of the job that an id, or the beginning of one, names; what names none is returned as it is.

    Raises:
        CannotStart: several jobs begin so; names them.
    """
    if not _BEGINNING.fullmatch(named):
        return named
    found = await client.jobs(q=named, view="brief", limit=MOST_NAMED + 1)
    fitting = [job for job in found if job["id"].startswith(named.lower())]
    if len(fitting) > 1:
        told = ", ".join(f"{job['id']} ({job['kind']}, {job['state']})" for job in fitting[:MOST_NAMED])
        more = " and more" if len(fitting) > MOST_NAMED else ""
        raise CannotStart(f"Several jobs begin with {named}: {told}{more}. Give more of the id.")
    return fitting[0]["id"] if fitting else named


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
        click.echo(json.dumps(await client.job(await id_of(client, job)), indent=2))
    return 0


async def watch(settings: Settings, job: str) -> int:
    """Print the events of a job until it ends; on standard error, that the service is away."""
    state = ""

    def away(left_s: float | None) -> None:
        if left_s is None:
            click.echo("arqsvc: connected again", err=True)
        else:
            goes_on = "; the job goes on" if state else ""
            click.echo(f"arqsvc: connection lost, trying again for {left_s:.0f} s{goes_on}", err=True)

    async with client_of(settings) as client:
        job = await id_of(client, job)
        try:
            async for event in client.follow(job, away):
                click.echo(event_line(event))
                state = event["data"].get("state", state)
        except (answers.Unreachable, answers.NotNow) as error:
            if not state:
                raise
            raise CannotStart(
                f"The service at {client.url} has not answered for {answers.GIVE_UP_S:g} s, and is asked no more. "
                f"The job goes on; `arqsvc jobs watch {job}` follows it again."
            ) from error
    return 0 if state in {"succeeded", ""} else 1


async def act(settings: Settings, verb: str, job: str, reason: str | None = None, force: bool = False) -> int:
    """Cancel or retry a job, and print what it is then."""
    async with client_of(settings) as client:
        job = await id_of(client, job)
        done = await (client.cancel(job, reason, force=force) if verb == "cancel" else client.retry(job))
    asked = ", to be cancelled" if done["state"] == "running" and done["cancel_requested_at"] else ""
    click.echo(f"{done['id']} {done['state']}{asked}")
    return 0


async def submit(
    settings: Settings, kind: str, params: Sequence[str], tags: Sequence[str], options: Mapping[str, Any]
) -> int:
    """Submit a job and print its id; a value `@PATH` uploads that file and stands for its id."""
    values = {name: _json(value) for name, value in _pairs("-p", params).items()}
    wanted = {name: value for name, value in options.items() if value is not None}
    async with client_of(settings) as client:
        values = await _uploaded(client, values)
        click.echo((await client.submit(kind, values, tags=_pairs("--tag", tags), **wanted))["id"])
    return 0


async def rerun(settings: Settings, job: str, text: str, params: Sequence[str]) -> int:
    """Submit a job anew with other parameters, of a JSON object and as NAME=VALUE, and print the id of the new one."""
    values = _json(text)
    if not isinstance(values, dict):
        raise CannotStart(f'--params {text}: parameters are a JSON object, such as {{"genetic_code": 4}}.')
    values |= {name: _json(value) for name, value in _pairs("-p", params).items()}
    async with client_of(settings) as client:
        values = await _uploaded(client, values)
        click.echo((await client.rerun(await id_of(client, job), values))["id"])
    return 0


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Return what is written as NAME=VALUE."""
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise CannotStart(f"{option} {text}: it is written name=value.")
        pairs[name] = value
    return pairs


def _json(text: str) -> Any:
    """Return the value of a text that is JSON, else the text."""
    try:
        return json.loads(text, parse_constant=lambda word: word)
    except ValueError:
        return text


async def _uploaded(client: Wire, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with the ids of files in place of `@PATH`."""
    return {
        name: (await client.upload(_existing(value[1:])))["id"]
        if isinstance(value, str) and value.startswith("@")
        else value
        for name, value in values.items()
    }


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
