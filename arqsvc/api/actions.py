"""What may be done with a job that is there: cancel, retry, rerun, pin, delete."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.bodies import body_as
from arqsvc.api.headers import SUBMITTED
from arqsvc.api.held import of
from arqsvc.api.jobs import answer_job, find_job
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation
from arqsvc.api.submissions import Submission, known_kind
from arqsvc.api.submit import PREFER, accept, accepted
from arqsvc.contract import Job, Submitted
from arqsvc.errors import Conflict
from arqsvc.jobs.deletion import delete, pin
from arqsvc.jobs.record import FINAL
from arqsvc.jobs.retry import retry as retry_job


class Cancel(BaseModel):
    """How a job is to be ended."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    reason: str | None = Field(default=None, max_length=255)
    """Why; it is kept with the job."""
    mode: Literal["graceful", "force"] = "graceful"
    """`force` gives a running job no time to clean up: it is given up, and its processes are killed, at once."""
    grace_s: float | None = Field(default=None, ge=0, le=3600)
    """Seconds that a running job gets to clean up; without it what its worker grants, ARQSVC_CANCEL_GRACE_S."""

    @property
    def grace(self) -> float | None:
        """How many seconds a running job gets, None for what its worker grants."""
        return 0.0 if self.mode == "force" else self.grace_s


@operation(
    "jobs.cancel", "POST", "/jobs/{id}/cancel", Scope.CANCEL, {202: Job},
    body=Cancel, body_needed=False, errors=(404, 409), tells={202: ("Location",)},
    examples={"with a reason": {"reason": "wrong sample"}, "at once": {"mode": "force"}},
)  # fmt: skip
async def cancel(request: Request, caller: Caller) -> Response:
    """Cancel a job: at once while it waits; a running one is told to end, and is given up if it does not in time.

    409 once it has ended, by a cancellation or otherwise: `state` says how.
    """
    job = await find_job(request, caller)
    asked = await body_as(Cancel, request, empty={})
    request.state.audit = {"reason": asked.reason, "mode": asked.mode}
    await of(request).queue.cancel(job.id, asked.reason, asked.grace)
    return await answer_job(request, job.id, caller, status=202)


@operation(
    "jobs.retry", "POST", "/jobs/{id}/retry", Scope.SUBMIT, {202: Job}, errors=(404, 409), tells={202: ("Location",)}
)  # fmt: skip
async def retry(request: Request, caller: Caller) -> Response:
    """Queue a failed or cancelled job again, with all its tries, and before it what it needs and has not.

    409 in another state; where what it needs was deleted: `rerun` does all of it anew; where another job does its work
    by now, see `dedupe`; and where its queue takes in no new jobs. It counts as a job that is submitted.
    """
    job = await find_job(request, caller)
    await retry_job(of(request).admission, job.id)
    return await answer_job(request, job.id, caller, status=202)


class Rerun(Submission):
    """What is to be different this time."""

    params: dict[str, Any] = Field(default={})
    """Parameters that take the place of the job's own; the others stay."""


@operation(
    "jobs.rerun", "POST", "/jobs/{id}/rerun", Scope.SUBMIT, {200: Submitted, 202: Submitted},
    body=Rerun, body_needed=False, audited=False, errors=(404, 409, 413),
    headers={"Prefer": PREFER}, tells={200: SUBMITTED, 202: SUBMITTED},
)  # fmt: skip
async def rerun(request: Request, caller: Caller) -> Response:
    """Submit a job anew, as another one whose `parent_id` names it; what is given takes the place of what it had.

    Its parameters, tags, priority and queue are taken over; all else is as for a new job.
    """
    job = await find_job(request, caller)
    said = await body_as(Rerun, request, empty={})
    kind = known_kind(request, job.kind)
    before = {"priority": job.priority, "queue": job.queue, "timeout_s": job.timeout_s, "tags": job.tags or {}}
    kept = {name: value for name, value in before.items() if name not in said.model_fields_set}
    again = said.model_copy(update={"params": {**job.params, **said.params}, **kept})
    return await accepted(request, await accept(request, caller, kind, again, parent=job.id))


def _pin(verb: str, doc: str, *, pinned: bool) -> Any:
    async def changed(request: Request, caller: Caller) -> Response:
        job = await find_job(request, caller)
        await pin([job.id], pinned=pinned)
        return await answer_job(request, job.id, caller)

    changed.__doc__ = doc
    return operation(f"jobs.{verb}", "POST", f"/jobs/{{id}}/{verb}", Scope.CANCEL, {200: Job}, errors=(404,))(changed)


keep = _pin("pin", "Keep a job from being deleted.", pinned=True)
let_go = _pin("unpin", "Let a job be deleted again.", pinned=False)


@operation("jobs.delete", "DELETE", "/jobs/{id}", Scope.CANCEL, {204: None}, errors=(404, 409))
async def remove(request: Request, caller: Caller) -> Response:
    """Delete a job that has ended, with its attempts, events, logs and files.

    409 while it has not ended, is pinned, or another job that has not ended needs it, or names one of its files.
    """
    job = await find_job(request, caller)
    infra = of(request).infra
    if not await delete([job.id], caller.project, infra.storage, infra.redis):
        await job.refresh_from_db()
        why = (
            job.state.value
            if job.state not in FINAL
            else "pinned"
            if job.pinned
            else "needed, or a file of it, by one that goes on"
        )
        raise Conflict(f"Job {job.id} is {why} and cannot be deleted. Wait, cancel what has not ended, or unpin it.")
    return Response(status_code=204)


OPERATIONS = (cancel, retry, rerun, keep, let_go, remove)
