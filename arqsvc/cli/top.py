"""`arqsvc top`: queues, workers and running jobs, live."""

import asyncio
import json
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from arqsvc.cli.inspect import active, jobs_table, stats, workers_table
from arqsvc.cli.jobs import client_of
from arqsvc.cli.progress import WIDE, counted
from arqsvc.cli.queues import queues_table
from arqsvc.client.wire import Wire
from arqsvc.errors import CannotStart
from arqsvc.settings import Settings

MOST = 50
"""Running jobs that are shown."""


async def top(settings: Settings, every_s: float, once: bool, as_json: bool) -> int:
    """Show what the service is at, again and again until Ctrl-C, or once."""
    console = Console(highlight=False)
    async with client_of(settings) as client:
        if as_json or once or not console.is_terminal:
            while True:
                seen = await _look(client)
                click.echo(json.dumps(seen)) if as_json else Console(highlight=False, width=WIDE).print(_drawn(seen))
                if once:
                    return 0
                await asyncio.sleep(every_s)
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                try:
                    live.update(_drawn(await _look(client)), refresh=True)
                except CannotStart as error:  # it may come back
                    live.update(Text(error.detail), refresh=True)
                await asyncio.sleep(every_s)


async def _look(client: Wire) -> dict[str, Any]:
    return {
        "queues": await client.queues(),
        "workers": await stats(client, MOST),
        "jobs": await active(client, MOST),
    }


def _drawn(seen: dict[str, Any]) -> Group:
    waiting = sum(one["queued"] for one in seen["queues"])
    running = sum(one["running"] for one in seen["queues"])
    slots = counted(sum(one["slots"] for one in seen["workers"]), "slot")
    line = f"{running:,} running, {waiting:,} queued, {counted(len(seen['workers']), 'worker')} with {slots}"
    return Group(
        Text(line, style="bold"), Text(), queues_table(seen["queues"]), Text(), workers_table(seen["workers"]),
        Text(), jobs_table(seen["jobs"]),
    )  # fmt: skip
