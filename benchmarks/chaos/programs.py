"""The processes that chaos kills: `python -m benchmarks.chaos.programs work|serve`, set by their environment."""

import asyncio
import os
import sys

from arqsvc.api.app import create_app
from arqsvc.cli.instance import listening_on, serving
from arqsvc.cli.services import stopped_by_signals
from arqsvc.errors import CannotStart
from arqsvc.logs import log_to
from arqsvc.settings import Settings
from arqsvc.worker.worker import open_worker
from benchmarks.chaos.kinds import JOBS, PARAMS, QUEUE


async def work(settings: Settings) -> None:
    """Run a worker until SIGTERM."""
    with stopped_by_signals() as stop:
        async with open_worker(
            settings, {QUEUE: settings.concurrency}, lambda: JOBS, ("benchmarks.chaos.compute",), {}
        ) as worker:
            await worker.run(stop)


async def serve(settings: Settings) -> None:
    """Run the API until SIGTERM."""
    with stopped_by_signals() as stop, listening_on(settings.host, settings.port) as listening:
        async with serving(create_app(settings, PARAMS), listening):
            await stop.wait()


async def main(program: str) -> None:
    settings = Settings.read(os.environ)
    log_to(settings.log_level, settings.log_file)
    try:
        await {"work": work, "serve": serve}[program](settings)
    except CannotStart as error:
        sys.exit(f"{program}: {error}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
