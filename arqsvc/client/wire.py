"""The API as it is: JSON in, JSON out, one method a request; streams that are taken up where they broke.

`AsyncClient` and `Client` stand on it; so do the commands.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic_core import to_jsonable_python

from arqsvc.client.answers import Away, check, patiently, unreachable
from arqsvc.client.fetch import fetch
from arqsvc.client.stream import follow

CHUNK_BYTES = 256 * 1024
KEPT = 100
"""Connections that requests share, and those of streams that are kept for the next."""
PAGE = 100
"""Jobs of a page where all are read."""


class Wire:
    """The API of one service, for one key.

    Requests share some connections. Streams, which are silent for as long as a job runs, have one each beside them.
    """

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        local = httpx.URL(self.url).host in {"127.0.0.1", "localhost", "::1"}
        certificates = httpx.create_ssl_context(trust_env=not local)  # made once: it takes a while

        def client(limits: httpx.Limits) -> httpx.AsyncClient:
            return httpx.AsyncClient(
                base_url=f"{self.url}/api/v1",
                headers={"Authorization": f"Bearer {key}"},
                # who waits for a connection waits for requests of ours, which have deadlines
                timeout=httpx.Timeout(30.0, read=90.0, pool=None),
                limits=limits,
                trust_env=not local,
                verify=certificates,
            )

        self._http = client(httpx.Limits(max_connections=KEPT, max_keepalive_connections=KEPT))
        self._streams = client(httpx.Limits(max_connections=None, max_keepalive_connections=KEPT))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()
        await self._streams.aclose()

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
        return await self._json("POST", path, json={"params": params, **options}, headers=headers)

    async def submit_all(
        self, asked: Iterable[tuple[str, Mapping[str, Any]]], *, idempotency_key: str | None = None, **options: Any
    ) -> list[str]:
        """Submit many jobs in one request, all or none; returns their ids."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        jobs = [{"kind": kind, "params": params, **options} for kind, params in asked]
        told = await self._json("POST", "/jobs", json={"jobs": jobs, "atomic": True}, headers=headers)
        return [item["job"]["id"] for item in told["items"]]

    async def job(self, job: str) -> dict[str, Any]:
        """Return a job as it stands."""
        return await self._json("GET", f"/jobs/{quote(job, safe='')}")

    async def jobs(self, *, limit: int = 50, **wanted: Any) -> list[dict[str, Any]]:
        """Return the newest jobs that fit: `state`, `kind`, ... as `GET /jobs` has them; or, as `sort` says, others."""
        page = await self._json("GET", "/jobs", params={**_query(wanted), "limit": str(limit)})
        items: list[dict[str, Any]] = page["items"]
        return items

    async def each_job(self, *, limit: int | None = None, **wanted: Any) -> AsyncIterator[dict[str, Any]]:
        """Yield all jobs that fit, or the first `limit` of them; a page is read once it is asked for."""
        query, left = _query(wanted), limit
        while left is None or left > 0:
            query["limit"] = str(PAGE if left is None else min(left, PAGE))
            page = await patiently(lambda: self._json("GET", "/jobs", params=query), takes_turns=True)
            for job in page["items"]:
                yield job
            if not page["next_cursor"]:
                return
            query["cursor"] = page["next_cursor"]
            left = None if left is None else left - len(page["items"])

    async def cancel(self, job: str, reason: str | None = None, *, force: bool = False) -> dict[str, Any]:
        """Ask for the end of a job, which has no time to clean up if it is forced; returns it."""
        body = {"reason": reason, "mode": "force" if force else "graceful"}
        return await self._json("POST", f"/jobs/{quote(job, safe='')}/cancel", json=body)

    async def retry(self, job: str) -> dict[str, Any]:
        """Queue a failed or cancelled job again; returns it."""
        return await self._json("POST", f"/jobs/{quote(job, safe='')}/retry")

    async def rerun(
        self, job: str, params: Mapping[str, Any], *, idempotency_key: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Submit a job anew with other parameters, and options as `submit` has them; returns the new one."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        path = f"/jobs/{quote(job, safe='')}/rerun"
        return await self._json("POST", path, json={"params": params, **options}, headers=headers)

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

    async def follow(self, job: str, away: Away = lambda left_s: None) -> AsyncIterator[dict[str, Any]]:
        """Yield the events of a job until its final state; a lost connection is taken up where it broke.

        Args:
            job: its id.
            away: is told for how many seconds it is taken up, and None once it is.

        Raises:
            ApiError: the API refused; 404 where the job was deleted meanwhile.
            Unreachable: it has not answered for a minute.
        """
        async for event in follow(self._streams, f"/jobs/{quote(job, safe='')}/events", away):
            yield event

    async def result(self, job: str) -> dict[str, Any]:
        """Return a job once it has ended."""
        async for _ in self.follow(job):
            pass
        return await patiently(lambda: self.job(job), takes_turns=True)

    async def download(self, file: str, to: Path) -> None:
        """Write a stored file to a path, once all of it is there and checked; see `fetch`."""
        await fetch(self._http, f"/files/{quote(file, safe='')}", to)

    async def request(self, method: str, path: str, **request: Any) -> Any:
        """Send any request below `/api/v1`; returns the JSON of its answer.

        Raises:
            ApiError: the API refused.
            Unreachable: it does not answer.
        """
        return await self._json(method, path, **request)

    async def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        if "json" in request:  # times, ids and paths too
            request["json"] = to_jsonable_python(request["json"])
        try:
            answer = await self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error
        await check(answer)
        body: dict[str, Any] = answer.json() if answer.content else {}
        return body


def _query(wanted: Mapping[str, Any]) -> dict[str, str]:
    """Return a filter as a query: of lists the items with commas, of `tags` a `tag.NAME` each; without what is None."""
    given = {name: to_jsonable_python(value) for name, value in wanted.items() if value is not None}
    tags = {f"tag.{name}": str(value) for name, value in given.pop("tags", {}).items()}
    return tags | {
        name: ",".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in given.items()
    }
