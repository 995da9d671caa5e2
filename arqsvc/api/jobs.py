"""POST /api/v1/jobs/{kind}, GET, list, cancel, retry; and a job as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from arqsvc.api.bodies import Reason, body_as
from arqsvc.api.keys import Caller, authenticate
from arqsvc.api.problems import fault, invalid
from arqsvc.errors import InvalidParams, NotFound, UnknownKind
from arqsvc.infra import Infra
from arqsvc.jobs.declare import Params, file_fields
from arqsvc.jobs.events import rfc3339
from arqsvc.jobs.progress import PROGRESS, latest_progress
from arqsvc.jobs.files import FileRecord, find_file
from arqsvc.jobs.queue import JobQueue, Options, known_queues
from arqsvc.jobs.record import AttemptRecord, JobRecord, State
from arqsvc.jobs.waiting import Need, needs_of

PAGE = 50
LARGEST_PAGE = 500


class Submission(BaseModel):
    """The body of `POST /jobs/{kind}`."""

    model_config = ConfigDict(extra="forbid")

    params: dict[str, Any]
    priority: int | None = Field(default=None, ge=1, le=10)
    queue: str | None = None
    timeout_s: float | None = Field(default=None, gt=0, le=30 * 86_400)
    delay_s: float | None = Field(default=None, ge=0, le=366 * 86_400)


async def submit(request: Request) -> Response:
    """POST /jobs/{kind}: validate, write, queue; 202 and the job."""
    caller = await authenticate(request)
    kind = _kind(request, request.path_params["kind"])
    submission = await body_as(Submission, request)
    params = _parsed(kind, submission.params)
    await _check_files(params, caller)
    options = Options(**submission.model_dump(exclude={"params"}))
    known = known_queues(request.app.state.params, _infra(request).settings.routed)
    if options.queue and options.queue not in known:
        raise fault("/queue", f"{options.queue[:64]!r} is not a queue. Queues: {', '.join(known)}.")
    job = await _queue(request).submit(params, project=caller.project, options=options)
    needs = await needs_of([job]) if params.needs() else []
    new = _job_as_json(await JobRecord.get(id=job), needs, (), (), None)
    return JSONResponse(new, 202, headers={"Location": f"/api/v1/jobs/{job}"})


async def show(request: Request) -> Response:
    """GET /jobs/{id}: one job, with its attempts and files."""
    caller = await authenticate(request)
    return await _answer(request, (await find_job(request, caller)).id, caller)


async def list_jobs(request: Request) -> Response:
    """GET /jobs?state=&kind=&cursor=&limit=: the newest first; `next_cursor` is null on the last page."""
    caller = await authenticate(request)
    query = JobRecord.filter(project=caller.project)
    if states := request.query_params.get("state"):
        query = query.filter(state__in=[_state(state) for state in states.split(",")])
    if kinds := request.query_params.get("kind"):
        query = query.filter(kind__in=[_known_kind(request, kind) for kind in kinds.split(",")])
    if cursor := request.query_params.get("cursor"):
        query = query.filter(id__lt=_uuid(cursor, "/cursor"))
    limit = _limit(request.query_params.get("limit"))
    found = await query.order_by("-id").limit(limit + 1)
    page = found[:limit]
    more = len(found) > limit
    return JSONResponse(
        {"items": await jobs_as_json(_infra(request), page), "next_cursor": str(page[-1].id) if more else None}
    )


async def cancel(request: Request) -> Response:
    """POST /jobs/{id}/cancel, with or without a body `{"reason": ...}`: 202 and the job; 409 once it has ended."""
    caller = await authenticate(request)
    job = await find_job(request, caller)
    asked = await body_as(Reason, request, empty={})
    await _queue(request).cancel(job.id, asked.reason)
    return await _answer(request, job.id, caller, status=202)


async def retry(request: Request) -> Response:
    """POST /jobs/{id}/retry: 202 and the job; 409 unless it failed or was cancelled."""
    caller = await authenticate(request)
    job = await find_job(request, caller)
    await _queue(request).retry(job.id)
    return await _answer(request, job.id, caller, status=202)


async def find_job(connection: HTTPConnection, caller: Caller) -> JobRecord:
    """Return the job that the path names, if it is the caller's.

    Raises:
        NotFound: there is none, or it is another's.
    """
    text = connection.path_params["id"]
    try:
        job = await JobRecord.get_or_none(id=UUID(text), project=caller.project)
    except ValueError:
        job = None
    if job is None:
        raise NotFound(f"There is no job {text[:60]}. GET /api/v1/jobs lists yours.")
    return job


async def jobs_as_json(infra: Infra, jobs: Sequence[JobRecord]) -> list[dict[str, Any]]:
    """Return jobs as clients see them, with their attempts, files and latest progress."""
    ids = [job.id for job in jobs]
    attempts = await AttemptRecord.filter(job_id__in=ids).order_by("number") if ids else []
    files = await FileRecord.filter(job_id__in=ids).order_by("name") if ids else []
    needs = await needs_of(ids) if ids else []
    progress = await latest_progress(infra.redis, jobs)
    return [
        _job_as_json(
            job,
            [need for need in needs if need.job == job.id],
            [attempt for attempt in attempts if attempt.job_id == job.id],  # type: ignore[attr-defined]
            [file for file in files if file.job_id == job.id],  # type: ignore[attr-defined]
            progress.get(job.id),
        )
        for job in jobs
    ]


def _job_as_json(
    job: JobRecord,
    needs: Iterable[Need],
    attempts: Iterable[AttemptRecord],
    files: Iterable[FileRecord],
    kept: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "id": str(job.id),
        "kind": job.kind,
        "state": job.state.value,
        "reason": job.reason,
        "params": job.params,
        "result": job.result,
        "error": job.error,
        "progress": {name: kept["last"][name] for name in PROGRESS} if kept else None,
        "attempt": job.attempt,
        "tries": job.tries,
        "queue": job.queue,
        "priority": job.priority,
        "created_at": rfc3339(job.created_at),
        "due_at": rfc3339(job.due_at),
        "started_at": rfc3339(job.started_at),
        "finished_at": rfc3339(job.finished_at),
        "cancel_requested_at": rfc3339(job.cancel_requested_at),
        "cancel_reason": job.cancel_reason,
        "needs": [{"id": str(need.id), "kind": need.kind, "state": need.state.value} for need in needs],
        "attempts": [_attempt_as_json(attempt) for attempt in (*attempts, *_running(job))],
        "files": [file_as_json(file) for file in files],
    }


def _running(job: JobRecord) -> list[AttemptRecord]:
    """Return the attempt that runs, which has no row yet."""
    if job.state != State.RUNNING:
        return []
    return [AttemptRecord(number=job.attempt, worker=job.worker, started_at=job.attempted_at)]


def _attempt_as_json(attempt: AttemptRecord) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "started_at": rfc3339(attempt.started_at),
        "finished_at": rfc3339(attempt.finished_at),
        "outcome": attempt.outcome,
        "error": attempt.error,
        "peak_memory_bytes": attempt.peak_memory_bytes,
        "cpu_s": attempt.cpu_s,
    }


def file_as_json(file: FileRecord) -> dict[str, Any]:
    """Return a stored file as clients see it."""
    return {
        "id": str(file.id),
        "name": file.name,
        "media_type": file.media_type,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "created_at": rfc3339(file.created_at),
        "href": f"/api/v1/files/{file.id}",
    }


async def _answer(request: Request, job: UUID, caller: Caller, *, status: int = 200) -> Response:
    row = await JobRecord.get(id=job, project=caller.project)
    (shown,) = await jobs_as_json(_infra(request), [row])
    return JSONResponse(shown, status, headers={"Location": f"/api/v1/jobs/{job}"} if status == 202 else None)


def _parsed(kind: type[Params], params: dict[str, Any]) -> Params:
    try:
        return kind.model_validate(params)
    except ValidationError as error:
        raise invalid(error, at="/params") from error


async def _check_files(params: Params, caller: Caller) -> None:
    """Refuse parameters that name a file which is not there, or not the caller's."""
    for name in file_fields(type(params)):
        if (file := getattr(params, name)) is not None:
            try:
                await find_file(file, caller.project)
            except NotFound as error:
                raise fault(f"/params/{name}", error.detail) from error


def _queue(request: Request) -> JobQueue:
    queue: JobQueue = request.app.state.queue
    return queue


def _infra(request: Request) -> Infra:
    infra: Infra = request.app.state.infra
    return infra


def _kind(request: Request, name: str) -> type[Params]:
    known: Mapping[str, type[Params]] = request.app.state.params
    if name not in known:
        raise UnknownKind(f"There is no kind of job {name[:100]!r}. Known: {', '.join(sorted(known))}.")
    return known[name]


def _known_kind(request: Request, name: str) -> str:
    try:
        return _kind(request, name).kind
    except UnknownKind as error:
        raise fault("/kind", error.detail) from error


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError as error:
        raise fault("/state", f"{text[:40]!r} is not a state. States: {', '.join(State)}.") from error


def _uuid(text: str, pointer: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise fault(pointer, f"{text[:60]!r} is not one that a list returned.") from error


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if len(text) > 4 or not text.isdecimal() or not 1 <= int(text) <= LARGEST_PAGE:
        raise InvalidParams(
            f"limit={text[:20]!r} is not in 1..{LARGEST_PAGE}.",
            errors=[{"pointer": "/limit", "detail": f"must be in 1..{LARGEST_PAGE}"}],
        )
    return int(text)
