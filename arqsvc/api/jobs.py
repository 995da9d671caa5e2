"""The job that a path names, as the other parts of the API find it and answer with it."""

from http import HTTPStatus
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from arqsvc.api.held import of
from arqsvc.api.keys import Caller
from arqsvc.api.operation import reply
from arqsvc.api.records import own
from arqsvc.api.shown import shown_jobs
from arqsvc.errors import NotFound
from arqsvc.jobs.record import JobRecord


async def find_job(connection: HTTPConnection, caller: Caller) -> JobRecord:
    """Return the job that the path names, if it is the caller's.

    Raises:
        NotFound: there is none, or it is another's.
    """
    return await own(JobRecord, connection, caller, no_job)


def no_job(connection: HTTPConnection) -> NotFound:
    """Return the error that says that the job which the path names is none of the caller's."""
    if connection.path_params["id"] in of(connection).params:  # the path of a kind, at which jobs are submitted
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
    return NotFound(f"There is no job {connection.path_params['id'][:60]}. GET /api/v1/jobs lists yours.")


async def answer_job(request: Request, job: UUID, caller: Caller, *, status: int = 200) -> Response:
    """Answer with a job as it stands."""
    row = await JobRecord.get(id=job, project=caller.project)
    (shown,) = await shown_jobs(of(request).infra, [row])
    return reply(shown, status, {"Location": f"/api/v1/jobs/{job}"} if status == 202 else None)
