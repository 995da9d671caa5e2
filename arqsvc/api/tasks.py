"""A façade for front ends that were written for a Celery service: the same job, in Celery's words.

`GET /api/v1/tasks/{id}/status` and `POST /api/v1/tasks/{id}/cancel`. An id is a job's id; submit with
`POST /jobs/{kind}`. What is new should use `/jobs`, which tells more.
"""

from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.held import of
from arqsvc.api.jobs import find_job
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.contract import Answer
from arqsvc.errors import Conflict
from arqsvc.jobs.progress import latest_progress
from arqsvc.jobs.record import JobRecord, State

TaskState = Literal["PENDING", "STARTED", "PROGRESS", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]
_ENDS: dict[State, TaskState] = {State.SUCCEEDED: "SUCCESS", State.FAILED: "FAILURE", State.CANCELLED: "REVOKED"}


class TaskStatus(Answer):
    """A job as a task of Celery."""

    task_id: str
    state: TaskState
    status: str
    """In words: the step that runs, or why it does not."""
    progress: int = Field(ge=0, le=100)
    """Percent."""
    result: dict[str, Any] | None
    error: str | None


class TaskCancelled(Answer):
    """What came of a wish to cancel."""

    task_id: str
    status: Literal["cancelled", "cancelling", "ended"]
    message: str


@operation("tasks.status", "GET", "/tasks/{id}/status", Scope.READ, {200: TaskStatus}, errors=(404,))
async def status(request: Request, caller: Caller) -> Response:
    """Return a job's state as Celery would name it."""
    job = await find_job(request, caller)
    kept = (await latest_progress(of(request).infra.redis, [job])).get(job.id)
    return reply(_status(job, kept["last"] if kept else None))


@operation("tasks.cancel", "POST", "/tasks/{id}/cancel", Scope.CANCEL, {200: TaskCancelled}, errors=(404,))
async def cancel(request: Request, caller: Caller) -> Response:
    """Cancel a job; one that has ended stays as it is, and the answer says so."""
    job = await find_job(request, caller)
    try:
        await of(request).queue.cancel(job.id)
    except Conflict:
        await job.refresh_from_db()
        done = TaskCancelled(task_id=str(job.id), status="ended", message=f"The task has ended: {_state(job, None)}.")
        return reply(done)
    await job.refresh_from_db()
    ended = job.state == State.CANCELLED
    message = "The task is cancelled." if ended else "The task has been told to end."
    return reply(TaskCancelled(task_id=str(job.id), status="cancelled" if ended else "cancelling", message=message))


def _status(job: JobRecord, last: dict[str, Any] | None) -> TaskStatus:
    state = _state(job, last)
    fraction = 1.0 if state == "SUCCESS" else last["fraction"] if last else 0.0
    return TaskStatus(
        task_id=str(job.id),
        state=state,
        status=last["step"] if last and state == "PROGRESS" else job.reason or job.state.value,
        progress=int(100 * fraction),
        result=job.result,
        error=job.error["detail"] if job.error else None,
    )


def _state(job: JobRecord, last: dict[str, Any] | None) -> TaskState:
    """Return Celery's word; `RETRY` is what waits for another try after one that failed."""
    if job.state in _ENDS:
        return _ENDS[job.state]
    if job.state == State.RUNNING:
        return "PROGRESS" if last else "STARTED"
    return "RETRY" if job.failures else "PENDING"


OPERATIONS = (status, cancel)
