"""Client: AsyncClient for programs that are not asynchronous, such as Flask's, Streamlit's and notebooks."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload
from uuid import UUID

from arqsvc import contract
from arqsvc.client.jobs import Asks, AsyncClient, AsyncJob, Whats

R = TypeVar("R")
T = TypeVar("T")


class _Loop:
    """An event loop in a thread of its own, which any thread may wait on."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="arqsvc client", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns; one that is interrupted is cancelled."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def each(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Yield what an asynchronous generator yields; who breaks off closes it, and the stream that it reads."""

        async def following() -> tuple[T] | None:
            async for item in items:
                return (item,)
            return None

        try:
            while (item := self.run(following())) is not None:
                yield item[0]
        except GeneratorExit:
            if isinstance(items, AsyncGenerator) and self._thread.is_alive():
                self.run(_closed(items))
            raise

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _closed(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()


class Job(Generic[R]):
    """One submitted job."""

    def __init__(self, loop: _Loop, job: AsyncJob[R]) -> None:
        self._loop, self._job = loop, job
        self.id = job.id

    def __repr__(self) -> str:
        return repr(self._job)

    def show(self) -> contract.Job:
        """Return the job as it stands."""
        return self._loop.run(self._job.show())

    def watch(self) -> Iterator[contract.Event]:
        """Yield what happens to it until it has ended; a lost connection is taken up where it broke."""
        return self._loop.each(self._job.watch())

    def result(self, timeout: float | None = None) -> R:
        """Wait until it has ended, and return its result; see `AsyncJob.result`."""
        return self._loop.run(self._job.result(timeout))

    def cancel(self, reason: str | None = None, *, force: bool = False) -> contract.Job:
        """Ask for its end, at once if it is forced; returns the job as it stands."""
        return self._loop.run(self._job.cancel(reason, force=force))

    def retry(self) -> contract.Job:
        """Queue it again, once it has failed or was cancelled; returns the job as it stands."""
        return self._loop.run(self._job.retry())

    def rerun(self, params: Mapping[str, Any] | None = None, **options: Any) -> "Job[R]":
        """Submit it anew, as another job, which is returned; see `AsyncJob.rerun`."""
        return Job(self._loop, self._loop.run(self._job.rerun(params, **options)))

    def download(self, folder: Path | str = ".") -> list[Path]:
        """Write its files into a folder, which is made if need be; returns their paths; see `AsyncJob.download`."""
        return self._loop.run(self._job.download(folder))


class Client:
    """The service at an address, for one key; see `AsyncClient`. Any thread may use it."""

    def __init__(self, url: str | None = None, key: str | None = None) -> None:
        self._client = AsyncClient(url, key)
        self._loop = _Loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._loop.run(self._client.close())
        self._loop.close()

    @overload
    def submit(self, what: str, params: Mapping[str, Any], **options: Any) -> Job[dict[str, Any]]: ...

    @overload
    def submit(self, what: Asks[R], **options: Any) -> Job[R]: ...

    def submit(self, what: Any, params: Mapping[str, Any] | None = None, **options: Any) -> Job[Any]:
        """Submit a job: a kind and its parameters, or Params of a family; see `AsyncClient.submit`."""
        asked = self._client.submit(what, **options) if params is None else self._client.submit(what, params, **options)
        return Job(self._loop, self._loop.run(asked))

    def submit_all(self, whats: Whats[R], **options: Any) -> list[Job[Any]]:
        """Submit many jobs, a thousand a request, and return them in the order given; see `AsyncClient.submit_all`."""
        return [Job(self._loop, job) for job in self._loop.run(self._client.submit_all(whats, **options))]

    def map(self, whats: Whats[R], **options: Any) -> Iterator[Any]:
        """Submit many jobs at once, as `Executor.map` does, and return an iterator of their results in the order given.

        Raises:
            ApiError: the API refused one of them; none of that request of a thousand runs.
            JobError: one failed or was cancelled, told when its result is asked for; the others go on.
        """
        jobs = self._loop.run(self._client.submit_all(whats, **options))
        return self._loop.each(self._client.results(jobs))

    def job(self, job: UUID | str) -> Job[dict[str, Any]]:
        """Return a job that was submitted before, by its id."""
        return Job(self._loop, self._client.job(job))

    def jobs(
        self, *, tags: Mapping[str, Any] | None = None, limit: int | None = None, **wanted: Any
    ) -> Iterator[contract.Job]:
        """Yield all jobs that fit, the newest first, or the first `limit` of them; see `AsyncClient.jobs`."""
        return self._loop.each(self._client.jobs(tags=tags, limit=limit, **wanted))

    def upload(self, path: Path | str) -> contract.File:
        """Send a file; its `id` may be a parameter of a job."""
        return self._loop.run(self._client.upload(path))
