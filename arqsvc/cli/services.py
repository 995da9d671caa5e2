"""The commands that run a service, or a part of one: up, api, worker, migrate."""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from signal import SIGINT, SIGTERM

import click

from arqsvc import __version__
from arqsvc.api.app import create_app
from arqsvc.api.keys import BROWSER, LINK_LIFE, KeyKind, create_secret
from arqsvc.cli.database import database_url
from arqsvc.cli.instance import listening_on, running_instance, serving
from arqsvc.families import child_modules, load_jobs, load_params, load_settings
from arqsvc.infra.db import migrate as migrate_database
from arqsvc.infra.memory import settle
from arqsvc.jobs.queue import check_served, known_queues
from arqsvc.logs import log_to
from arqsvc.settings import Settings


class Stop:
    """The wish of a signal: before anybody waits for it, it cancels the command, which is still starting."""

    def __init__(self) -> None:
        self._wished, self._insisted = asyncio.Event(), asyncio.Event()
        self._task = asyncio.current_task()
        self._awaited = False

    def set(self) -> None:
        """Wish it; a second time, insist."""
        if self._wished.is_set():
            self._insisted.set()
        self._wished.set()
        if not self._awaited and self._task:
            self._task.cancel()

    async def wait(self) -> None:
        """Return once it is wished."""
        self._awaited = True
        await self._wished.wait()

    async def insisted(self) -> None:
        """Return once a second signal has come."""
        await self._insisted.wait()


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Yield what SIGTERM and Ctrl-C set."""
    stop, loop = Stop(), asyncio.get_running_loop()
    for signal in (SIGTERM, SIGINT):
        loop.add_signal_handler(signal, stop.set)
    try:
        yield stop
    finally:
        for signal in (SIGTERM, SIGINT):
            loop.remove_signal_handler(signal)


async def up(settings: Settings) -> int:
    """Run everything until SIGTERM or Ctrl-C; then running jobs may finish. A second signal ends them at once."""
    log_to(settings.log_level, settings.log_file)
    with stopped_by_signals() as stop:
        async with running_instance(settings, stop.insisted) as instance:
            settle()
            link = await create_secret(KeyKind.LINK, project="default", name="browser", scopes=BROWSER, life=LINK_LIFE)
            click.echo(f"arqsvc {__version__} at {instance.url}  (state: {settings.state_dir})")
            click.echo(f"Open once, within 15 minutes: {instance.url}/login#t={link}")
            click.echo("Ctrl-C ends it; unfinished jobs go on at the next start.")
            sys.stdout.flush()
            await stop.wait()
            with suppress(OSError):  # the terminal may be gone
                click.echo(f"Running jobs get {settings.drain_s:g} s to finish; Ctrl-C again ends it at once.")
                sys.stdout.flush()
    return 0


async def api(settings: Settings) -> int:
    """Run the API until SIGTERM or Ctrl-C."""
    log_to(settings.log_level, settings.log_file)
    with stopped_by_signals() as stop, listening_on(settings.host, settings.port) as listening:
        app = create_app(settings, load_params(settings.other_families))
        async with serving(app, listening, trusted=settings.trusted_proxies) as address:
            settle()
            click.echo(f"arqsvc {__version__} API at {address}")
            sys.stdout.flush()
            await stop.wait()
    return 0


async def worker(settings: Settings) -> int:
    """Run a worker, or several, until SIGTERM or Ctrl-C; then they drain. A second signal ends them at once."""
    others = settings.other_families
    known, families = load_params(others), load_settings(os.environ, others)
    log_to(settings.log_level, settings.log_file)
    os.environ.setdefault("MPLCONFIGDIR", str(settings.state_dir / "matplotlib"))  # else it writes into ~/.cache
    queues = settings.served or dict.fromkeys(known_queues(known, settings.routed), settings.concurrency)
    if settings.worker_bounds:
        return await _autoscaled(settings, queues)
    from arqsvc.worker.worker import open_worker

    with stopped_by_signals() as stop:
        async with open_worker(settings, queues, lambda: load_jobs(others), child_modules(others), families) as process:
            settle()
            await process.run(stop)
    return 0


async def _autoscaled(settings: Settings, queues: Mapping[str, int]) -> int:
    """Keep as many workers running, each a process of its own, as these queues need."""
    from arqsvc.worker.autoscale import autoscale

    # here, or else each worker would say so, again and again
    check_served(queues, load_params(settings.other_families), settings.routed)
    one = settings.model_copy(update={"autoscale": ""})
    command, env = [sys.executable, "-m", "arqsvc", "worker"], {**os.environ, **one.environment()}
    with stopped_by_signals() as stop:
        await autoscale(settings, queues, command, env, stop)
    return 0


async def migrate(settings: Settings) -> int:
    """Apply what migrations the database lacks."""
    applied = await migrate_database(database_url(settings))
    click.echo(f"Applied: {', '.join(applied)}" if applied else "Nothing to do; the schema is current.")
    return 0
