"""A façade for front ends that were written for a Celery service: the same job, in Celery's words.

`GET /api/v1/tasks/{id}/status` and `POST /api/v1/tasks/{id}/cancel`. An id is a job's id; submit with
`POST /jobs/{kind}`. What is new should use `/jobs`, which tells more.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.bodies import body_as
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
    """In words: the step that runs, or why it does not, or how it ended."""
    progress: int = Field(ge=0, le=100)
    """Percent."""
    result: dict[str, Any] | None
    error: str | None


class Revoke(BaseModel):
    """How a task is to be ended."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    terminate: bool = False
    """True gives a running one no time to clean up, as `mode` `force` does in `POST /jobs/{id}/cancel`."""


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
    reason = await of(request).reasons.reason(job)
    return reply(_status(job, kept["last"] if kept else None, reason.detail if reason else None))


@operation(
    "tasks.cancel", "POST", "/tasks/{id}/cancel", Scope.CANCEL, {200: TaskCancelled},
    body=Revoke, body_needed=False, errors=(404,), examples={"at once": {"terminate": True}},
)  # fmt: skip
async def cancel(request: Request, caller: Caller) -> Response:
    """Cancel a job; one that has ended stays as it is, and the answer says so."""
    job = await find_job(request, caller)
    asked = await body_as(Revoke, request, empty={})
    request.state.audit = {"mode": "force" if asked.terminate else "graceful"}
    try:
        await of(request).queue.cancel(job.id, grace_s=0.0 if asked.terminate else None)
    except Conflict:
        await job.refresh_from_db()
        done = TaskCancelled(task_id=str(job.id), status="ended", message=f"The task has ended: {_state(job, None)}.")
        return reply(done)
    await job.refresh_from_db()
    ended = job.state == State.CANCELLED
    message = "The task is cancelled." if ended else "The task has been told to end."
    return reply(TaskCancelled(task_id=str(job.id), status="cancelled" if ended else "cancelling", message=message))


def _status(job: JobRecord, last: dict[str, Any] | None, waits: str | None) -> TaskStatus:
    state = _state(job, last)
    fraction = 1.0 if state == "SUCCESS" else last["fraction"] if last else 0.0
    return TaskStatus(
        task_id=str(job.id),
        state=state,
        status=waits or _words(job, last["step"] if last else None),
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


def _words(job: JobRecord, step: str | None) -> str:
    """Return in words what a job does that has begun, or how it ended."""
    why = f": {job.cancel_reason}" if job.cancel_reason else ""
    match job.state:
        case State.SUCCEEDED:
            return "It has succeeded."
        case State.FAILED:
            return f"It has failed: {job.error['detail']}" if job.error else "It has failed."
        case State.CANCELLED:
            return f"It is cancelled{why}."
        case _ if job.cancel_requested_at:
            return f"It is being cancelled{why}." + (f" Last step: {step}." if step else "")
    return step or "It has begun."


OPERATIONS = (status, cancel)
