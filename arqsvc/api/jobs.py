"""Jobs over HTTP: list and show. `submit.py` makes one; what may be done with one is in `actions.py`."""

from uuid import UUID

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from arqsvc.api.bodies import query_as
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.api.problems import fault
from arqsvc.api.shown import shown_jobs
from arqsvc.api.submissions import known_kind
from arqsvc.api.waits import Wait, until_changed
from arqsvc.contract import Job, JobPage
from arqsvc.errors import InvalidParams, NotFound, UnknownKind
from arqsvc.infra import Infra
from arqsvc.jobs.queue import JobQueue
from arqsvc.jobs.record import FINAL, JobRecord, State

PAGE = 50
LARGEST_PAGE = 500


@operation("jobs.show", "GET", "/jobs/{id}", Scope.READ, {200: Job}, query=Wait, errors=(404,))
async def show(request: Request, caller: Caller) -> Response:
    """Return a job as it stands, with its attempts and files.

    With `?wait=25` the answer waits until the state is another than now, for so many seconds at most; it does not for
    a job that has ended.
    """
    job = await find_job(request, caller)
    if (wait_s := query_as(Wait, request).wait) and job.state not in FINAL:
        await until_changed(request, job, wait_s)
    return await answer_job(request, job.id, caller)


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
    shown = await shown_jobs(infra_of(request), page)
    return reply(JobPage(items=shown, next_cursor=str(page[-1].id) if more else None))


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


async def answer_job(request: Request, job: UUID, caller: Caller, *, status: int = 200) -> Response:
    """Answer with a job as it stands."""
    row = await JobRecord.get(id=job, project=caller.project)
    (shown,) = await shown_jobs(infra_of(request), [row])
    return reply(shown, status, {"Location": f"/api/v1/jobs/{job}"} if status == 202 else None)


def queue_of(request: Request) -> JobQueue:
    """Return where the application submits jobs."""
    queue: JobQueue = request.app.state.queue
    return queue


def infra_of(request: Request) -> Infra:
    """Return what the application has open."""
    infra: Infra = request.app.state.infra
    return infra


def _known_kind(request: Request, name: str) -> str:
    try:
        return known_kind(request, name).kind
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


OPERATIONS = (list_jobs, show)
