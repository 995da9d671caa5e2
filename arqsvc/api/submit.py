"""POST /api/v1/jobs/{kind}: one job, from the request to its row and its place in a queue."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.bodies import body_as
from arqsvc.api.headers import DEDUPLICATED, SUBMITTED
from arqsvc.api.held import of
from arqsvc.api.idempotency import job_ids
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.api.shown import shown_jobs, shown_new
from arqsvc.api.submissions import Submission, checked, known_kind, warned
from arqsvc.api.waits import preferred_wait_s, until_ended
from arqsvc.contract import Submitted
from arqsvc.errors import ArqsvcError
from arqsvc.jobs.admission import Wish
from arqsvc.jobs.declare import Params
from arqsvc.jobs.move import Written
from arqsvc.jobs.new import NewJob
from arqsvc.jobs.record import FINAL, JobRecord
from arqsvc.jobs.waiting import needs_of

PREFER = {"type": "string", "description": "`wait=10` waits so many seconds for the job's end, 60 at most."}


@operation(
    "jobs.submit", "POST", "/jobs/{kind}", Scope.SUBMIT, {200: Submitted, 202: Submitted}, body=Submission,
    audited=False, errors=(404, 409, 413), headers={"Prefer": PREFER}, tells={200: SUBMITTED, 202: SUBMITTED},
)  # fmt: skip
async def submit(request: Request, caller: Caller) -> Response:
    """Submit a job: it is validated, written and queued; once this has answered, it is not lost any more.

    With `Prefer: wait=10` the answer waits for its end, for so many seconds at most: 200 where it has ended. 200 with
    `X-Deduplicated: true` is for another job that does the same work, see `dedupe`. With an `Idempotency-Key` the
    request can be repeated for a day, and submits one job.
    """
    kind = known_kind(request, request.path_params["kind"])
    return await accepted(request, await accept(request, caller, kind, await body_as(Submission, request)))


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that was submitted."""

    job: UUID
    new: bool
    """Whether it was written for this; else it was there already, and does the same work."""
    queues: Sequence[str]
    """Its queue, and those of what it needs."""
    written: tuple[NewJob, Written] | None = None
    """What was written just now, where the row need not be read to know it."""


async def accept(
    request: Request, caller: Caller, kind: type[Params], said: Submission, *, parent: UUID | None = None
) -> Accepted:
    """Check a submission, write it, and queue it.

    Raises:
        InvalidParams: something is wrong with it; each fault with a JSON Pointer.
        Conflict: its queue takes in no new jobs, or `dedupe` refuses it.
        JobsQuota: the project has as many jobs as it may.
        QueueFull: its queue has as many as it may.
    """
    params = await checked(request, kind, said, caller, of(request).queues if said.queue is not None else ())
    options = replace(said.options(caller), parent=parent)
    wish = Wish(of(request).queue.new_jobs(params, caller.project, options, job_ids(request)), said.dedupe)
    (came,) = await of(request).admission.submit([wish])
    if isinstance(came, ArqsvcError):
        raise came
    return Accepted(came.job, came.new, wish.queues, written=(wish.job, came.written) if came.written else None)


async def accepted(request: Request, accepted: Accepted) -> Response:
    """Answer with a job that was submitted, once it has ended if the client prefers that."""
    job, new, queues = accepted.job, accepted.new, accepted.queues
    headers = {"Location": f"/api/v1/jobs/{job}"}
    if (wait_s := preferred_wait_s(request)) is not None:
        await until_ended(request, job, wait_s)
        headers["Preference-Applied"] = f"wait={wait_s}"
    if not new:
        headers[DEDUPLICATED] = "true"
    if accepted.written and wait_s is None:  # to read the row would cost a third of a submission
        needs = await needs_of([job]) if len(queues) > 1 else ()
        return reply(shown_new(*accepted.written, needs, warned(of(request).outlook, queues)), 202, headers)
    (shown,) = await shown_jobs(of(request).infra, [await JobRecord.get(id=job)])
    ended = shown.state in FINAL
    warnings = [] if ended else warned(of(request).outlook, {shown.queue, *queues})
    answer = Submitted.model_construct(**dict(shown), warnings=warnings)
    return reply(answer, 200 if not new or (ended and wait_s is not None) else 202, headers)


OPERATIONS = (submit,)
