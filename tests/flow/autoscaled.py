"""`python -m tests.flow.autoscaled`: keeps as many workers of the queue `test` as it needs, on its environment."""

import asyncio
import os
import sys

from arqsvc.cli.services import stopped_by_signals
from arqsvc.logs import log_to
from arqsvc.settings import Settings
from arqsvc.worker.autoscale import autoscale


async def main() -> None:
    settings = Settings.read(os.environ)
    log_to(settings.log_level, settings.log_file)
    one = settings.model_copy(update={"autoscale": ""})
    command, env = [sys.executable, "-m", "tests.flow.worker"], {**os.environ, **one.environment()}
    with stopped_by_signals() as stop:
        await autoscale(settings, {"test": settings.concurrency}, command, env, stop)


if __name__ == "__main__":
    asyncio.run(main())
