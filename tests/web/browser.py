"""Debian's Chromium, headless, over the DevTools protocol."""

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from arqsvc.infra.guarded import guarded
from tests.waiting import until

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
)  # fmt: skip


@dataclass
class Tab:
    """One tab, and what its page complained about."""

    _connection: ClientConnection
    complaints: list[str] = field(default_factory=list)
    _ids: "itertools.count[int]" = field(default_factory=itertools.count)

    async def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol and return its result; takes down complaints that come before it."""
        call = next(self._ids)
        await self._connection.send(json.dumps({"id": call, "method": method, "params": params}))
        while (message := json.loads(await self._connection.recv())).get("id") != call:
            if message["method"] == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"]["text"])
            elif message["method"] == "Runtime.exceptionThrown":
                self.complaints.append(message["params"]["exceptionDetails"]["exception"]["description"])
        assert "error" not in message, message
        return message["result"]

    async def value(self, expression: str) -> Any:
        """Return what a JavaScript expression, or the promise that it makes, comes to."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    async def shows(self, expression: str) -> None:
        """Return once a JavaScript expression is true."""
        await until(lambda: self.value(f"Boolean({expression})"))

    async def choose(self, selector: str, *files: Path) -> None:
        """Choose files as a person does in the dialog of a file input."""
        document = await self.call("DOM.getDocument")
        found = await self.call("DOM.querySelector", nodeId=document["root"]["nodeId"], selector=selector)
        await self.call("DOM.setFileInputFiles", nodeId=found["nodeId"], files=[str(file) for file in files])


@asynccontextmanager
async def open_tab(profile: Path) -> AsyncIterator[Tab]:
    """Run a browser with a fresh profile and yield its one tab."""
    profile.mkdir()
    command = (str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank")
    async with guarded(command, stop_signal=SIGTERM, grace_s=10, log=profile / "log"):
        said = profile / "DevToolsActivePort"
        await until(lambda: said.exists() and len(said.read_text().splitlines()) == 2)
        port = said.read_text().splitlines()[0]
        async with httpx.AsyncClient(trust_env=False) as http:
            targets = (await http.get(f"http://127.0.0.1:{port}/json/list")).json()
        (address,) = [target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page"]
        async with connect(address, proxy=None, max_size=None) as connection:
            tab = Tab(connection)
            for domain in ("Log", "Runtime", "Page"):
                await tab.call(f"{domain}.enable")
            yield tab
