"""The API as it is: JSON in, JSON out, one method a request; streams that are taken up where they broke.

`AsyncClient` and `Client` stand on it; so do the commands.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

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


class StreamFault(Exception):
    """What came is no event stream; the follower takes it up anew."""


class Wire:
    """One connection to the API of one service."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        timeout = httpx.Timeout(30.0, read=90.0)
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
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def upload(self, path: Path) -> dict[str, Any]:
        """Send a file; returns its record with `id` and `sha256`."""

        async def content() -> AsyncIterator[bytes]:
            with path.open("rb") as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    yield chunk

        size = {"Content-Length": str(path.stat().st_size)}
        return await self._json("POST", f"/files?name={quote(path.name, safe='')}", content=content(), headers=size)

    async def submit(
        self, kind: str, params: Mapping[str, Any], *, idempotency_key: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Submit a job; returns it. Options: `priority`, `queue`, `timeout_s`, `delay_s`, `run_at`, `tags`, ..."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        path = f"/jobs/{quote(kind, safe='')}"
        return await self._json("POST", path, json={"params": dict(params), **options}, headers=headers)

    async def submit_all(self, asked: Iterable[tuple[str, Mapping[str, Any]]], **options: Any) -> list[str]:
        """Submit many jobs in one request, all or none; returns their ids."""
        jobs = [{"kind": kind, "params": dict(params), **options} for kind, params in asked]
        told = await self._json("POST", "/jobs", json={"jobs": jobs, "atomic": True})
        return [item["job"]["id"] for item in told["items"]]

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
                accept = {"Accept": "text/event-stream", "Cache-Control": "no-store", **headers}
                async with self._http.stream("GET", path, headers=accept) as answer:
                    await _check(answer)
                    async for event in events_in(answer):
                        heard = asyncio.get_running_loop().time()
                        if event is not None:
                            last, told = event
                            if told["type"] in {"cut", "error"}:  # it goes on behind the last, or is told why not
                                continue
                            state = told["data"].get("state", state)
                            yield told
                    if state in FINAL or answer.status_code == 204:
                        return
            except (httpx.TransportError, StreamFault, _Unavailable) as error:
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

    async def request(self, method: str, path: str, **request: Any) -> Any:
        """Send any request below `/api/v1`; returns the JSON of its answer.

        Raises:
            ApiError: the API refused.
            CannotStart: it does not answer.
        """
        return await self._json(method, path, **request)

    async def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise _unreachable(self.url, error) from error
        await _check(answer)
        body: dict[str, Any] = answer.json() if answer.content else {}
        return body


async def events_in(answer: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]] | None]:
    """Yield the id and the data of each event of a stream (WHATWG HTML, section 9.2), and None for a sign of life.

    Raises:
        StreamFault: it is no stream of JSON events.
    """
    if answer.status_code == 204:
        return
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        raise StreamFault(f"{answer.request.url.path} was answered with {answer.headers.get('content-type')!r}.")
    last, data = "", list[str]()
    async for line in answer.aiter_lines():
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "id":
            last = value
        elif not line and data:
            try:
                yield last, json.loads("\n".join(data))
            except ValueError as error:
                raise StreamFault(f"an event is not JSON: {error}") from error
            data = []
        elif line.startswith(":"):
            yield None


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
