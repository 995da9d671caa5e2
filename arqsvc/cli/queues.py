"""`arqsvc queues`: what the queues hold, and what an operator does with one."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.table import Table

from arqsvc.cli.jobs import client_of
from arqsvc.cli.progress import counted, print_table
from arqsvc.client.wire import Wire
from arqsvc.errors import CannotStart
from arqsvc.settings import Settings

COLUMNS = ("queue", "mode", "queued", "running", "scheduled", "blocked", "oldest", "in/s", "out/s", "workers")


async def list_queues(settings: Settings, as_json: bool) -> int:
    """Print the queues, as a table or as JSON."""
    async with client_of(settings) as client:
        queues = await client.queues()
    if as_json:
        click.echo(json.dumps(queues, indent=2))
        return 0
    print_table(queues_table(queues))
    return 0


def queues_table(queues: Sequence[Mapping[str, Any]]) -> Table:
    """Return queues as a table."""
    table = Table(*COLUMNS, box=None)
    for one in queues:
        numbers = (one["queued"], one["running"], one["scheduled"], one["blocked"])
        rates = (f"{one['oldest_s']:.0f} s", f"{one['in_per_s']:.2f}", f"{one['out_per_s']:.2f}")
        table.add_row(one["queue"], one["mode"], *(f"{n:,}" for n in numbers), *rates, str(one["workers"]))
    return table


async def change(settings: Settings, verb: str, queue: str, as_json: bool) -> int:
    """Pause, resume or drain a queue, and print what it does then."""
    async with client_of(settings) as client:
        done = await client.change_queue(queue, verb)
    click.echo(json.dumps(done) if as_json else f"{done['queue']} {done['mode']}")
    return 0


async def purge(settings: Settings, queue: str, reason: str | None, yes: bool, as_json: bool) -> int:
    """Cancel all that waits in a queue, and print how much that was; 1 where it is not to be done after all."""
    async with client_of(settings) as client:
        if not yes and not await _agreed(client, queue):
            return 1
        done = await client.purge(queue, reason)
    click.echo(json.dumps(done) if as_json else f"{done['queue']}: {counted(done['purged'], 'job')} cancelled")
    return 0


async def _agreed(client: Wire, queue: str) -> bool:
    """Ask on the terminal whether all that waits in a queue is to be cancelled.

    Raises:
        CannotStart: there is nobody to be asked.
    """
    found = [one for one in await client.queues() if one["queue"] == queue]
    if not found:
        return True  # the API refuses it, and says which there are
    waiting = sum(found[0][state] for state in ("queued", "scheduled", "blocked"))
    what = f"{counted(waiting, 'job')} of the queue {queue}, of all projects ({found[0]['scheduled']:,} for later)"
    if not sys.stdin.isatty():
        raise CannotStart(f"This cancels {what}. Give --yes if you mean it.")
    return click.confirm(f"Cancel {what}?", err=True)
