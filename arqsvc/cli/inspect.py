"""What `arqsvc inspect` and `arqsvc workers` print: a table, or JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import click
from rich.table import Table

from arqsvc.cli.jobs import client_of
from arqsvc.cli.progress import print_table
from arqsvc.cli.queues import list_queues
from arqsvc.client.wire import Wire
from arqsvc.settings import Settings

Rows = Sequence[Mapping[str, Any]]


async def look(settings: Settings, what: str, limit: int, as_json: bool) -> int:
    """Print what the service is at."""
    if what == "queues":
        return await list_queues(settings, as_json)
    async with client_of(settings) as client:
        found = await _READ[what](client, limit)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif found:
        print_table(_SHOWN[what](found))
    else:
        click.echo("None.")
    return 0


async def tell(settings: Settings, verb: str, worker: str, as_json: bool) -> int:
    """Tell a worker what to do, and print what it has been told."""
    async with client_of(settings) as client:
        told = await client.request("POST", f"/workers/{quote(worker, safe='')}/{verb}")
    click.echo(json.dumps(told) if as_json else f"{told['worker']} {told['wish'] or 'works'}")
    return 0


async def active(client: Wire, limit: int) -> Rows:
    """Return the jobs that run, those that were submitted first."""
    return await client.jobs(state="running", sort="created", limit=limit)


async def _reserved(client: Wire, limit: int) -> Rows:
    return await client.jobs(state="queued", sort="place", limit=limit)


async def _scheduled(client: Wire, limit: int) -> Rows:
    return await client.jobs(state="scheduled", sort="due", limit=limit)


async def _registered(client: Wire, limit: int) -> Rows:
    found: Rows = (await client.request("GET", "/kinds"))["items"]
    return found[:limit]


async def stats(client: Wire, limit: int) -> Rows:
    """Return the live workers."""
    found: Rows = (await client.request("GET", "/workers"))["items"]
    return found[:limit]


def jobs_table(jobs: Rows, time: str = "since (UTC)") -> Table:
    """Return jobs as a table."""
    table = Table("id", "kind", "queue", "worker", "progress", time, "tags", box=None)
    for job in jobs:
        running = next((each for each in reversed(job["attempts"]) if each["finished_at"] is None), None)
        at = job["progress"] or {}
        at_time = (running or {}).get("started_at") or job["due_at"] or job["created_at"]
        tags = " ".join(f"{name}={value}" for name, value in job["tags"].items())
        step = f"{at['fraction']:.0%} {at['step']}" if at else ""
        worker = running["worker"] if running else ""
        table.add_row(job["id"], job["kind"], job["queue"], worker, step, str(at_time)[:19], tags)
    return table


def workers_table(workers: Rows) -> Table:
    """Return workers as a table."""
    table = Table("worker", "host", "pid", "queues", "running", "slots", "wish", "since (UTC)", box=None)
    for one in workers:
        running = (str(one["running"]), str(one["slots"]), one["wish"] or "")
        table.add_row(
            one["id"], one["host"], str(one["pid"]), ", ".join(one["queues"]), *running, one["started_at"][:19]
        )
    return table


def _scheduled_table(jobs: Rows) -> Table:
    return jobs_table(jobs, "due (UTC)")


def _kinds_table(kinds: Rows) -> Table:
    table = Table("kind", "queue", "what it does", box=None)
    for one in kinds:
        table.add_row(one["kind"], one["queue"], one["summary"])
    return table


_READ = {
    "active": active, "reserved": _reserved, "scheduled": _scheduled, "registered": _registered, "stats": stats,
}  # fmt: skip
_SHOWN = {
    "active": jobs_table, "reserved": jobs_table, "scheduled": _scheduled_table, "registered": _kinds_table,
    "stats": workers_table,
}  # fmt: skip
