"""A whole service: the API in this process, a worker in another, a client."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any

import httpx

from arqsvc.api.app import create_app
from arqsvc.api.keys import KeyKind, create_secret
from arqsvc.api.readers import Readers
from arqsvc.cli.instance import listening_on, serving
from arqsvc.client.wire import Wire
from arqsvc.jobs.declare import Params
from arqsvc.jobs.hub import EventHub
from arqsvc.settings import Settings
from tests.flow.kinds import PARAMS


@dataclass
class Service:
    """How to reach it."""

    settings: Settings
    client: Wire
    http: httpx.AsyncClient
    """Below /api/v1, with the same key."""
    key: str
    hub: EventHub
    readers: Readers

    async def ended(self, kind: str, params: dict[str, Any]) -> dict[str, Any]:
        """Submit a job and return it once it has ended."""
        return await self.client.result((await self.client.submit(kind, params))["id"])


@asynccontextmanager
async def open_service(
    settings: Settings, params: Mapping[str, type[Params]] = PARAMS, *, buffer_bytes: int | None = None
) -> AsyncIterator[Service]:
    """Run the API in this process, by default with the kinds of `tests.flow.kinds`."""
    with listening_on("127.0.0.1", 0) as listening:
        if buffer_bytes:  # what a reader may leave unread before the API notices
            listening.setsockopt(SOL_SOCKET, SO_SNDBUF, buffer_bytes)
        app = create_app(settings, params)
        async with serving(app, listening, trusted=settings.trusted_proxies) as url:
            key = await create_secret(KeyKind.KEY, project="tester", name="test")
            headers = {"Authorization": f"Bearer {key}"}
            async with (
                Wire(url, key) as client,
                httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, trust_env=False) as http,
            ):
                yield Service(settings, client, http, key, app.state.held.hub, app.state.held.readers)
