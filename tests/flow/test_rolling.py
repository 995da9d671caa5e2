"""A rolling restart under load: every worker is replaced, and no job fails, is lost, or loses a try."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from arqsvc.jobs.record import JobRecord, State
from tests.servers import worker_process
from tests.service import Service

JOBS = 120


async def test_a_rolling_restart_under_load_fails_nothing(api: Service) -> None:
    settings = api.settings.model_copy(update={"drain_s": 0.3})
    async with AsyncExitStack() as last:
        first = [AsyncExitStack(), AsyncExitStack()]
        for stack in first:
            await stack.enter_async_context(worker_process(settings))
        kinds: list[tuple[str, dict[str, Any]]] = [("test.say", {"text": "x"}), ("test.step", {"pause_s": 0.05})]
        submitted = [await api.client.submit(*kinds[number % 2]) for number in range(JOBS)]
        for stack in first:
            await last.enter_async_context(worker_process(settings))
            await stack.aclose()
        async with asyncio.timeout(60):
            ended = [await api.client.result(job["id"]) for job in submitted]
    assert {job["state"] for job in ended} == {"succeeded"}
    assert {attempt["outcome"] for job in ended for attempt in job["attempts"]} <= {"succeeded", "interrupted"}
    assert await JobRecord.filter(state=State.SUCCEEDED, failures=0, losses=0).count() == JOBS
