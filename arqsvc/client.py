"""The Python client: upload, submit, follow, cancel, fetch; over the public API only.

async with Client("http://127.0.0.1:8000", key) as client:
    file = await client.upload(Path("my.gbk.gz"))
    job = await client.submit("genomes.analyze", {"file_id": file["id"]})
    job = await client.result(job["id"])
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from httpx_sse import SSEError, aconnect_sse

from arqsvc.errors import ArqsvcError, CannotStart

FINAL = frozenset({"succeeded", "failed", "cancelled"})
CHUNK_BYTES = 256 * 1024
RECONNECT_S = 0.5
GIVE_UP_S = 60.0
"""Seconds without any answer after which a follower gives up."""


class ApiError(ArqsvcError):
    """The API refused; `facts` holds the members of its problem document."""

    code = "api_error"
    title = "The API refused"


class _Unavailable(ApiError):
    """The API answered that something behind it is away: 500 and more."""


class Client:
    """One connection to the API of one service."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        timeout = httpx.Timeout(30.0, read=60.0)
        headers = {"Authorization": f"Bearer {key}"}
        local = httpx.URL(self.url).host in {"127.0.0.1", "localhost", "::1"}
        self._http = httpx.AsyncClient(
            base_url=f"{self.url}/api/v1", headers=headers, timeout=timeout, trust_env=not local
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def upload(self, path: Path) -> dict[str, Any]:
        """Send a file; returns its record with `id` and `sha256`."""

        async def content() -> AsyncIterator[bytes]:
            with path.open("rb") as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    yield chunk

        size = {"Content-Length": str(path.stat().st_size)}
        return await self._json("POST", f"/files?name={quote(path.name, safe='')}", content=content(), headers=size)

    async def submit(self, kind: str, params: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Submit a job; returns it.

        Options: `priority`, `queue`, `timeout_s`, `delay_s` or `run_at`, `tags`, `webhook`, `dedupe`.
        """
        return await self._json("POST", f"/jobs/{quote(kind, safe='')}", json={"params": params, **options})

    async def job(self, job: str) -> dict[str, Any]:
        """Return a job as it stands."""
        return await self._json("GET", f"/jobs/{quote(job, safe='')}")

    async def jobs(self, *, state: str | None = None, kind: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest jobs."""
        wanted = {"state": state, "kind": kind, "limit": str(limit)}
        page = await self._json("GET", "/jobs", params={name: value for name, value in wanted.items() if value})
        items: list[dict[str, Any]] = page["items"]
        return items

    async def cancel(self, job: str, reason: str | None = None) -> dict[str, Any]:
        """Ask for the end of a job; returns it."""
        return await self._json("POST", f"/jobs/{quote(job, safe='')}/cancel", json={"reason": reason})

    async def retry(self, job: str) -> dict[str, Any]:
        """Queue a failed or cancelled job again; returns it."""
        return await self._json("POST", f"/jobs/{quote(job, safe='')}/retry")

    async def queues(self) -> list[dict[str, Any]]:
        """Return the queues as they stand."""
        items: list[dict[str, Any]] = (await self._json("GET", "/queues"))["items"]
        return items

    async def change_queue(self, queue: str, verb: str) -> dict[str, Any]:
        """`pause`, `resume` or `drain` a queue; returns its mode."""
        return await self._json("POST", f"/queues/{quote(queue, safe='')}/{verb}")

    async def purge(self, queue: str, reason: str | None = None) -> dict[str, Any]:
        """Cancel all that waits in a queue; returns how many jobs that were."""
        return await self._json("POST", f"/queues/{quote(queue, safe='')}/purge", json={"reason": reason})

    async def follow(self, job: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the events of a job until its final state; a lost connection is taken up where it broke.

        Raises:
            ApiError: the API refused.
            CannotStart: it has not answered for a minute.
        """
        last, state, heard = "", "", asyncio.get_running_loop().time()
        while True:
            try:
                headers = {"Last-Event-ID": last} if last else {}
                path = f"/jobs/{quote(job, safe='')}/events"
                async with aconnect_sse(self._http, "GET", path, headers=headers) as source:
                    await _check(source.response)
                    async for event in source.aiter_sse():
                        heard = asyncio.get_running_loop().time()
                        if event.data:  # a ping has none
                            last = event.id
                            told: dict[str, Any] = json.loads(event.data)
                            state = told["data"].get("state", state)
                            yield told
                    if state in FINAL or source.response.status_code == 204:
                        return
            except (httpx.TransportError, SSEError, _Unavailable) as error:
                if asyncio.get_running_loop().time() - heard > GIVE_UP_S:
                    raise _unreachable(self.url, error) from error
            await asyncio.sleep(RECONNECT_S)

    async def result(self, job: str) -> dict[str, Any]:
        """Return a job once it has ended."""
        async for _ in self.follow(job):
            pass
        return await self.job(job)

    async def download(self, file: str, to: Path) -> None:
        """Write a stored file to a path."""
        try:
            async with self._http.stream("GET", f"/files/{quote(file, safe='')}") as answer:
                await _check(answer)
                with to.open("wb") as out:
                    async for chunk in answer.aiter_bytes(CHUNK_BYTES):
                        out.write(chunk)
        except httpx.TransportError as error:
            raise _unreachable(self.url, error) from error

    async def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise _unreachable(self.url, error) from error
        await _check(answer)
        body: dict[str, Any] = answer.json()
        return body


def _unreachable(url: str, error: Exception) -> CannotStart:
    why = f"{type(error).__name__}: {error}"
    return CannotStart(f"The service at {url} does not answer: {why}. Start it with `arqsvc up`.")


async def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    await answer.aread()
    try:
        problem = answer.json()
        kind = _Unavailable if answer.is_server_error else ApiError
        raise kind(str(problem.pop("detail")), **problem)
    except (ValueError, KeyError, AttributeError) as error:
        asked = f"{answer.request.method} {answer.request.url.path}"
        raise ApiError(f"{asked} was answered {answer.status_code}.") from error
