"""Jobs over HTTP: submit. How they are read stands in `reading.py`, what may be done with one in `actions.py`."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from arqsvc.api.bodies import body_as
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.api.problems import fault, invalid
from arqsvc.api.shown import shown_job, shown_jobs
from arqsvc.contract import Job
from arqsvc.errors import NotFound, UnknownKind
from arqsvc.infra import Infra
from arqsvc.jobs.declare import Params, file_fields
from arqsvc.jobs.files import find_file
from arqsvc.jobs.queue import JobQueue, Options, known_queues
from arqsvc.jobs.record import JobRecord
from arqsvc.jobs.waiting import needs_of


class Submission(BaseModel):
    """The body of `POST /jobs/{kind}`."""

    model_config = ConfigDict(extra="forbid")

    params: dict[str, Any]
    priority: int | None = Field(default=None, ge=1, le=10)
    queue: str | None = None
    timeout_s: float | None = Field(default=None, gt=0, le=30 * 86_400)
    delay_s: float | None = Field(default=None, ge=0, le=366 * 86_400)


@operation(
    "jobs.submit",
    "POST",
    "/jobs/{kind}",
    Scope.SUBMIT,
    {202: Job},
    body=Submission,
    audited=False,
    errors=(404, 409, 413),
)
async def submit(request: Request, caller: Caller) -> Response:
    """Submit a job: it is validated, written and queued; once this has answered, it is not lost any more."""
    kind = _kind(request, request.path_params["kind"])
    submission = await body_as(Submission, request)
    params = _parsed(kind, submission.params)
    await _check_files(params, caller)
    options = Options(**submission.model_dump(exclude={"params"}))
    known = known_queues(request.app.state.params, infra_of(request).settings.routed)
    if options.queue and options.queue not in known:
        raise fault("/queue", f"{options.queue[:64]!r} is not a queue. Queues: {', '.join(known)}.")
    job = await queue_of(request).submit(params, project=caller.project, options=options)
    needs = await needs_of([job]) if params.needs() else []
    return reply(shown_job(await JobRecord.get(id=job), needs), 202, {"Location": f"/api/v1/jobs/{job}"})


async def find_job(connection: HTTPConnection, caller: Caller) -> JobRecord:
    """Return the job that the path names, if it is the caller's.

    Raises:
        NotFound: there is none, or it is another's.
    """
    try:
        job = await JobRecord.get_or_none(id=UUID(connection.path_params["id"]), project=caller.project)
    except ValueError:
        job = None
    if job is None:
        raise no_job(connection)
    return job


def no_job(connection: HTTPConnection) -> NotFound:
    """Return the error that says that the job which the path names is none of the caller's."""
    return NotFound(f"There is no job {connection.path_params['id'][:60]}. GET /api/v1/jobs lists yours.")


async def answer_job(request: Request, job: UUID, caller: Caller, *, status: int = 200) -> Response:
    """Answer with a job as it stands."""
    row = await JobRecord.get(id=job, project=caller.project)
    (shown,) = await shown_jobs(infra_of(request), [row])
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


def queue_of(request: Request) -> JobQueue:
    """Return where the application submits jobs."""
    queue: JobQueue = request.app.state.queue
    return queue


def infra_of(request: Request) -> Infra:
    """Return what the application has open."""
    infra: Infra = request.app.state.infra
    return infra


def _kind(request: Request, name: str) -> type[Params]:
    known: Mapping[str, type[Params]] = request.app.state.params
    if name not in known:
        raise UnknownKind(f"There is no kind of job {name[:100]!r}. Known: {', '.join(sorted(known))}.")
    return known[name]


OPERATIONS = (submit,)
