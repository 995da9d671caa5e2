"""Requests that wait for a job: `Prefer: wait=10` on a submission, `?wait=25` on a job."""

import asyncio
import re
from collections.abc import Callable
from contextlib import aclosing
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from arqsvc.api.held import of
from arqsvc.infra.supervise import task_group
from arqsvc.jobs.events import Event, EventId
from arqsvc.jobs.hub import follow
from arqsvc.jobs.record import JobRecord

LONGEST_S = 60
_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)', re.IGNORECASE)


class Wait(BaseModel):
    """The query of a request that may wait."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    wait: float = Field(default=0, ge=0, le=LONGEST_S, allow_inf_nan=False)
    """Seconds for which the answer may wait for another state of the job than the one that it is in now."""


def preferred_wait_s(request: Request) -> int | None:
    """Return the seconds of `Prefer: wait=`, at most 60; None where there is no such preference."""
    found = _WAIT.search(request.headers.get("prefer", ""))
    return min(int(found[1]), LONGEST_S) if found else None


async def until_ended(request: Request, job: UUID, wait_s: float) -> None:
    """Return once a job has ended, the time is up, or the client has left."""
    await _until(request, job, EventId(0), lambda event: False, wait_s)


async def until_changed(request: Request, job: JobRecord, wait_s: float) -> None:
    """Return once a job is in another state than its row says, or the time is up, or the client has left."""
    state = job.state.value
    await _until(
        request, job.id, EventId(job.seq), lambda event: event.data.get("state", state) != state, wait_s
    )  # fmt: skip


async def _until(request: Request, job: UUID, after: EventId, happened: Callable[[Event], bool], wait_s: float) -> None:
    """Follow a job from an event on until one of which `happened` is true, or its end."""

    async def follow_it() -> None:
        async with aclosing(follow(of(request).hub, job, after)) as story:
            async for event in story:
                if happened(event):
                    return

    async with task_group() as group:
        tasks = [group.create_task(follow_it()), group.create_task(_left(request))]
        await asyncio.wait(tasks, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def _left(request: Request) -> None:
    """Return once the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        continue
