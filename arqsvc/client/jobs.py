"""AsyncClient: jobs as objects that can be watched, awaited, cancelled; their results typed."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar, cast, overload
from uuid import UUID, uuid4

from pydantic import BaseModel

from arqsvc import contract
from arqsvc.client.answers import ApiError, patiently
from arqsvc.client.bar import bar
from arqsvc.client.stream import FINAL
from arqsvc.client.wire import Wire
from arqsvc.errors import ArqsvcError, CannotStart
from arqsvc.jobs.declare import Result

BATCH = 1000
"""Jobs that `map` submits in one request."""
LOOK_S = 2.0
"""Seconds to ask how a job stands that has not ended in time."""

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Asks(Protocol[R_co]):
    """Parameters of a kind of job, as a family declares them."""

    @property
    def kind(self) -> str:
        """The name of the kind."""

    @property
    def result(self) -> type[R_co]:
        """The type of what comes back."""

    def model_dump(self, *, mode: str = ..., exclude_unset: bool = ...) -> dict[str, Any]:
        """Return the parameters as JSON values."""


Whats: TypeAlias = Iterable[Asks[R]] | Iterable[tuple[str, Mapping[str, Any]]]
"""What is submitted: Params of a family, or kinds with their parameters."""


class JobError(ApiError):
    """A job failed or was cancelled; `job` is it as it stands, `facts` the members of its problem document."""

    code = "job_error"
    title = "The job did not succeed"

    def __init__(self, job: contract.Job) -> None:
        error = dict(job.error or {})
        why = f" ({job.cancel_reason})" if job.cancel_reason else ""
        detail = error.pop("detail", f"The job was cancelled{why}.")
        super().__init__(f"{job.kind} {job.id}: {detail}", **error)
        self.job = job


class AsyncJob(Generic[R]):
    """One submitted job."""

    def __init__(self, wire: Wire, job: UUID | str, result: type[R] | None = None) -> None:
        self._wire, self._result = wire, result
        self.id = str(job)

    def __repr__(self) -> str:
        return f"<job {self.id}>"

    async def show(self) -> contract.Job:
        """Return the job as it stands."""
        return contract.Job.model_validate(await self._wire.job(self.id))

    async def watch(self) -> AsyncIterator[contract.Event]:
        """Yield what happens to it until it has ended; a lost connection is taken up where it broke.

        Raises:
            ApiError: the API refused; 404 where the job was deleted meanwhile.
        """
        async for event in self._wire.follow(self.id):
            yield contract.Event.model_validate(event)

    async def result(self, timeout: float | None = None) -> R:
        """Wait until it has ended, and return its result: of its declared type, or as JSON values.

        In a notebook a bar shows how far it is.

        Args:
            timeout: seconds to wait at most; None for as long as it takes.

        Raises:
            JobError: it failed or was cancelled.
            TimeoutError: it has not ended by then, and goes on; says how it stands, and why it waits.
            ApiError: it was deleted meanwhile (404).
            Unreachable: the service has not answered for a minute; the job goes on.
        """
        with bar(f"job {self.id}") as draw:
            try:
                async with asyncio.timeout(timeout) as limit:
                    return await self.ended(draw)
            except TimeoutError:
                if timeout is None or not limit.expired():
                    raise
        return await self._late(timeout)

    async def ended(self, told: Callable[[Mapping[str, Any]], None] = lambda event: None) -> R:
        """Wait until it has ended, and return its result as `result` does, without a bar.

        Args:
            told: is called with each of its events.
        """
        async for event in self._wire.follow(self.id):
            told(event)
        job = contract.Job.model_validate(await patiently(lambda: self._wire.job(self.id), takes_turns=True))
        return self._result_of(job)

    def _result_of(self, job: contract.Job) -> R:
        if job.state != "succeeded" or job.result is None:
            raise JobError(job)
        return _typed(job.result, self._result)

    async def _late(self, timeout: float) -> R:
        """Say of a job that has not ended in time how it stands; returns its result if it has ended just now."""
        late = f"has not ended within {timeout:g} s"
        try:
            async with asyncio.timeout(LOOK_S):
                job = await self.show()
        except TimeoutError:
            raise TimeoutError(f"Job {self.id} {late}, and the service does not say how it stands.") from None
        except ArqsvcError as error:
            raise TimeoutError(f"Job {self.id} {late}. {error.detail}") from None
        if job.state in FINAL:
            return self._result_of(job)
        at = f", at {job.progress.fraction:.0%}: {job.progress.step}" if job.progress else ""
        why = job.waiting.detail if job.waiting else "It goes on."
        raise TimeoutError(f"{job.kind} {job.id} {late}: it is {job.state}{at}. {why}")

    async def cancel(self, reason: str | None = None, *, force: bool = False) -> contract.Job:
        """Ask for its end; returns the job as it stands.

        Args:
            reason: why; it is kept with the job.
            force: give it no time to clean up.

        Raises:
            ApiError: it has ended (409).
        """
        return contract.Job.model_validate(await self._wire.cancel(self.id, reason, force=force))

    async def retry(self) -> contract.Job:
        """Queue it again, once it has failed or was cancelled; returns the job as it stands.

        Raises:
            ApiError: it is in another state (409).
        """
        return contract.Job.model_validate(await self._wire.retry(self.id))

    async def rerun(self, params: Mapping[str, Any] | None = None, **options: Any) -> "AsyncJob[R]":
        """Submit it anew, as another job, which is returned; what is given takes the place of what it had.

        Args:
            params: those that are to be different; paths in them are uploaded.
            **options: as `AsyncClient.submit` has them.

        Raises:
            ApiError: the API refused; `facts` says why.
            Unreachable: it has not answered for a minute.
        """
        values = await _sent(self._wire, params or {})
        options.setdefault("idempotency_key", str(uuid4()))
        told = await patiently(lambda: self._wire.rerun(self.id, values, **options))
        return AsyncJob(self._wire, told["id"], self._result)

    async def download(self, folder: Path | str = ".") -> list[Path]:
        """Write its files into a folder, which is made if need be; returns their paths.

        Each stands there once all of it has come and has its SHA-256. Of a job that has not ended there are those that
        it has published so far.

        Raises:
            JobError: it failed or was cancelled, and has no files.
            ApiError: the API refused, or what came is not what it said.
        """
        job = await self.show()
        if job.state in FINAL - {"succeeded"} and not job.files:
            raise JobError(job)
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for file in job.files:
            if Path(file.name).name != file.name:  # it comes from the service, and says where we write
                raise ApiError(f"{self!r} has a file {file.name!r}, which is no name of a file in a folder.")
            await self._wire.download(str(file.id), folder / file.name)
            paths.append(folder / file.name)
        return paths


class AsyncClient:
    """The service at an address, for one key.

    Args:
        url: its address; without one, ARQSVC_URL of the environment.
        key: an API key; without one, ARQSVC_API_KEY.

    Raises:
        CannotStart: neither is given.
    """

    def __init__(self, url: str | None = None, key: str | None = None) -> None:
        url, key = url or os.environ.get("ARQSVC_URL"), key or os.environ.get("ARQSVC_API_KEY")
        if not url or not key:
            raise CannotStart("Give the address and a key, or set ARQSVC_URL and ARQSVC_API_KEY.")
        self.wire = Wire(url, key)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self.wire.close()

    @overload
    async def submit(self, what: str, params: Mapping[str, Any], **options: Any) -> AsyncJob[dict[str, Any]]: ...

    @overload
    async def submit(self, what: Asks[R], **options: Any) -> AsyncJob[R]: ...

    async def submit(self, what: Any, params: Mapping[str, Any] | None = None, **options: Any) -> AsyncJob[Any]:
        """Submit a job: a kind and its parameters, or Params of a family; paths in it are uploaded.

        Options: `priority`, `queue`, `timeout_s`, `delay_s`, `run_at`, `tags`, `dedupe`, `webhook`, `idempotency_key`.
        Where the API has no time (429, 503) or the connection is lost, it is asked again for a minute. It is submitted
        once all the same, by the idempotency key, which is made unless one is given.

        Raises:
            ApiError: the API refused; `facts` says why.
            Unreachable: it has not answered for a minute.
        """
        kind, values, result = await self._asked(what, params)
        options.setdefault("idempotency_key", str(uuid4()))
        told = await patiently(lambda: self.wire.submit(kind, values, **options))
        return AsyncJob(self.wire, told["id"], result)

    async def submit_all(self, whats: Whats[R], **options: Any) -> list[AsyncJob[Any]]:
        """Submit many jobs, a thousand a request, and return them in the order given; options as `submit` has them.

        Raises:
            ApiError: the API refused one of them; none of that request runs.
            Unreachable: it has not answered for a minute.
        """
        asked = [await self._asked(*(what if isinstance(what, tuple) else (what, None))) for what in whats]
        key = options.pop("idempotency_key", None) or str(uuid4())
        jobs: list[AsyncJob[Any]] = []
        for first in range(0, len(asked), BATCH):
            page = asked[first : first + BATCH]
            ids = await self._submitted([(kind, values) for kind, values, _ in page], f"{key}-{first}", options)
            jobs += [AsyncJob(self.wire, job, result) for job, (_, _, result) in zip(ids, page, strict=True)]
        return jobs

    async def _submitted(
        self, page: Sequence[tuple[str, Mapping[str, Any]]], key: str, options: Mapping[str, Any]
    ) -> list[str]:
        return await patiently(lambda: self.wire.submit_all(page, idempotency_key=key, **options))

    async def map(self, whats: Whats[R], **options: Any) -> AsyncIterator[Any]:
        """Submit many jobs, and yield their results in the order given; one connection is open at a time.

        As with every asynchronous iterator, nothing happens, and nothing is submitted, until its first result is asked
        for. `submit_all` submits at once.

        Raises:
            ApiError: the API refused one of them; none of that request of a thousand runs.
            JobError: one failed or was cancelled; the others go on.
        """
        async for result in self.results(await self.submit_all(whats, **options)):
            yield result

    async def results(self, jobs: Sequence[AsyncJob[R]]) -> AsyncIterator[R]:
        """Yield the results of jobs in their order, as each has ended; in a notebook one bar shows how many have.

        Raises:
            JobError: one failed or was cancelled; the others go on.
        """
        with bar(f"{len(jobs)} jobs") as draw:
            for done, job in enumerate(jobs, 1):
                result = await job.ended()
                state = "succeeded" if done == len(jobs) else "running"
                step = f"{done} of {len(jobs)}"
                draw({"data": {"state": state, "step": step, "fraction": done / len(jobs)}})
                yield result

    def job(self, job: UUID | str) -> AsyncJob[dict[str, Any]]:
        """Return a job that was submitted before, by its id."""
        return AsyncJob(self.wire, job)

    async def jobs(
        self, *, tags: Mapping[str, Any] | None = None, limit: int | None = None, **wanted: Any
    ) -> AsyncIterator[contract.Job]:
        """Yield all jobs that fit, the newest first; they are read a page at a time, as they are asked for.

        Args:
            tags: all of which a job has.
            limit: yields the first so many.
            **wanted: `state`, `kind` and `queue`, each one or a list; `created_after`, `created_before`, `parent`,
                `submitted_by`, `q`, and `sort`, as `GET /jobs` has them.

        Raises:
            ApiError: the API refused; `facts` says why.
            Unreachable: it has not answered for a minute.
        """
        async for job in self.wire.each_job(tags=tags, limit=limit, **wanted):
            yield contract.Job.model_validate(job)

    async def upload(self, path: Path | str) -> contract.File:
        """Send a file; its `id` may be a parameter of a job."""
        return await _uploaded(self.wire, Path(path))

    async def _asked(
        self, what: Any, params: Mapping[str, Any] | None
    ) -> tuple[str, dict[str, Any], type[BaseModel] | None]:
        """Return the kind, the parameters as JSON values, and the type of the result."""
        if not isinstance(what, str):
            return what.kind, what.model_dump(mode="json", exclude_unset=True), what.result
        return what, await _sent(self.wire, params or {}), None


async def _uploaded(wire: Wire, path: Path) -> contract.File:
    return contract.File.model_validate(await wire.upload(path))


async def _sent(wire: Wire, value: Any) -> Any:
    """Return a value with the ids of files in place of the paths in it, which are uploaded."""
    if isinstance(value, Path):
        return str((await _uploaded(wire, value)).id)
    if isinstance(value, Mapping):
        return {name: await _sent(wire, each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [await _sent(wire, each) for each in value]
    return value


def _typed(result: dict[str, Any], into: type[R] | None) -> R:
    if into is not None and issubclass(into, Result):
        return cast(R, into.model_validate(result))
    return cast(R, result)
