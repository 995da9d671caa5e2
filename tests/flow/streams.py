"""Streams of events, read frame by frame."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from arqsvc.contract import StreamEvent


@dataclass(frozen=True)
class Frame:
    """One event as it came by SSE."""

    id: str | None
    type: str
    told: dict[str, Any]

    @property
    def state(self) -> tuple[str, str]:
        """The job and the state that it came to."""
        return self.told["job_id"], self.told["data"]["state"]


class Stream:
    """An open stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def __anext__(self) -> Frame:
        fields: dict[str, str] = {}
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                told = json.loads(fields["data"])
                assert StreamEvent.model_validate(told).root.model_dump().keys() == told.keys()
                return Frame(fields.get("id"), fields["event"], told)
            else:
                fields = {}
        raise StopAsyncIteration

    def __aiter__(self) -> "Stream":
        return self

    async def states(self, number: int) -> list[Frame]:
        """Return the next changes of state."""
        found: list[Frame] = []
        while len(found) < number:
            frame = await anext(self)
            found += [frame] if frame.type == "state" else []
        return found


@asynccontextmanager
async def opened(
    http: httpx.AsyncClient,
    path: str = "/events",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> AsyncIterator[Stream]:
    """Open a stream for the block."""
    async with http.stream("GET", path, params=query, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield Stream(answer)
