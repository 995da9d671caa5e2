"""`python -m tests.flow.worker`: a worker of the queue `test`, on the settings of its environment."""

import asyncio
import os

from arqsvc.cli.services import stopped_by_signals
from arqsvc.logs import log_to
from arqsvc.settings import Settings
from arqsvc.worker.worker import Jobs, open_worker
from tests.flow.kinds import JOBS


async def work(jobs: Jobs) -> None:
    settings = Settings.read(os.environ)
    log_to(settings.log_level, settings.log_file)
    with stopped_by_signals() as stop:
        async with open_worker(
            settings, settings.served or {"test": settings.concurrency}, lambda: jobs, (), {}
        ) as worker:
            await worker.run(stop)


if __name__ == "__main__":
    asyncio.run(work(JOBS))
