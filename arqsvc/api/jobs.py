"""Jobs over HTTP: POST /api/v1/jobs/{kind}, GET, list, cancel, retry."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from arqsvc.api.bodies import Reason, body_as
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.api.problems import fault, invalid
from arqsvc.api.shown import shown_job, shown_jobs
from arqsvc.contract import Job, JobPage
from arqsvc.errors import InvalidParams, NotFound, UnknownKind
from arqsvc.infra import Infra
from arqsvc.jobs.declare import Params, file_fields
from arqsvc.jobs.files import find_file
from arqsvc.jobs.queue import JobQueue, Options, known_queues
from arqsvc.jobs.record import JobRecord, State
from arqsvc.jobs.waiting import needs_of

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


@operation("jobs.submit", "POST", "/jobs/{kind}", Scope.SUBMIT, {202: Job}, body=Submission, errors=(404, 409, 413))
async def submit(request: Request, caller: Caller) -> Response:
    """Submit a job: it is validated, written and queued; once this has answered, it is not lost any more."""
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
    return reply(shown_job(await JobRecord.get(id=job), needs), 202, {"Location": f"/api/v1/jobs/{job}"})


@operation("jobs.show", "GET", "/jobs/{id}", Scope.READ, {200: Job}, errors=(404,))
async def show(request: Request, caller: Caller) -> Response:
    """Return a job as it stands, with its attempts and files."""
    return await _answer(request, (await find_job(request, caller)).id, caller)


@operation("jobs.list", "GET", "/jobs", Scope.READ, {200: JobPage})
async def list_jobs(request: Request, caller: Caller) -> Response:
    """List jobs, the newest first."""
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
    shown = await shown_jobs(_infra(request), page)
    return reply(JobPage(items=shown, next_cursor=str(page[-1].id) if more else None))


@operation(
    "jobs.cancel", "POST", "/jobs/{id}/cancel", Scope.CANCEL, {202: Job},
    body=Reason, body_needed=False, errors=(404, 409),
)  # fmt: skip
async def cancel(request: Request, caller: Caller) -> Response:
    """Cancel a job: at once while it waits, else its worker is told to end it; 409 once it has ended."""
    job = await find_job(request, caller)
    asked = await body_as(Reason, request, empty={})
    await _queue(request).cancel(job.id, asked.reason)
    return await _answer(request, job.id, caller, status=202)


@operation("jobs.retry", "POST", "/jobs/{id}/retry", Scope.SUBMIT, {202: Job}, errors=(404, 409))
async def retry(request: Request, caller: Caller) -> Response:
    """Queue a failed or cancelled job again, with all its tries; 409 in another state."""
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


async def _answer(request: Request, job: UUID, caller: Caller, *, status: int = 200) -> Response:
    row = await JobRecord.get(id=job, project=caller.project)
    (shown,) = await shown_jobs(_infra(request), [row])
    return reply(shown, status, {"Location": f"/api/v1/jobs/{job}"} if status == 202 else None)


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


OPERATIONS = (submit, list_jobs, show, cancel, retry)
