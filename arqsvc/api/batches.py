"""POST /api/v1/jobs: thousands of jobs in one request, and what came of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.batch_body import LIMIT_BYTES, BatchOfJobs, BatchSubmission, Turns, read_batch
from arqsvc.api.bodies import body_of, check_storable, fitted
from arqsvc.api.held import of
from arqsvc.api.idempotency import job_ids
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation
from arqsvc.api.problems import fault
from arqsvc.api.submissions import checked, known_kind, warned
from arqsvc.contract import Batch, BatchItem, JobReference, Problem
from arqsvc.errors import ArqsvcError, InvalidParams
from arqsvc.jobs.admission import Submitted, Wish

PAGE = 200
"""Most jobs that are written by one statement."""
PAGE_CHARACTERS = 256 * 1024
"""Characters of submissions after which a statement is full."""

Given = tuple[int, Any, int]
"""A job as it was sent: its place in the batch, the value, and the characters that it took."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A job that can be submitted, with all that it needs."""

    item: int
    wish: Wish


@operation(
    "jobs.submit_batch", "POST", "/jobs", Scope.SUBMIT, {200: Batch}, body=BatchOfJobs, body_limit_bytes=LIMIT_BYTES,
    audited=False, errors=(409, 413),
)  # fmt: skip
async def submit_batch(request: Request, caller: Caller) -> Response:
    """Submit up to 10,000 jobs; says of each what came of it, in their order.

    One that cannot be submitted does not stop the others, unless the batch is `atomic`: then it is refused whole, with
    all faults. A job of more than 1 MiB stops any batch. Send an `Idempotency-Key`: a batch that was cut off can be
    sent again, and each job is submitted once.
    """
    turns = Turns()
    given = await read_batch(await body_of(request, LIMIT_BYTES), turns)
    submitting = _Submitting(request, caller, turns, atomic=given.atomic)
    jobs = [(place, value, length) for place, (value, length) in enumerate(given.jobs)]
    await (submitting.all_or_none(jobs) if given.atomic else submitting.each(jobs))
    return submitting.answer()


@dataclass
class _Submitting:
    """A batch on its way."""

    request: Request
    caller: Caller
    turns: Turns
    atomic: bool
    outcomes: dict[int, str] = field(default_factory=dict)
    """What came of each, as JSON: one text is made and kept quicker than ten thousand objects."""
    problems: dict[int, Problem] = field(default_factory=dict)
    """Why some were refused."""
    used: set[str] = field(default_factory=set)
    """The queues that jobs were submitted to."""

    def __post_init__(self) -> None:
        held = of(self.request)
        self.admission, self.queues = held.admission, held.queues

    async def each(self, given: Sequence[Given]) -> None:
        """Submit each for itself."""
        for page in _pages(given):
            ready = [one for each in page if (one := await self._ready(each))]
            came = await self.admission.submit([one.wish for one in ready])
            for one, outcome in zip(ready, came, strict=True):
                if isinstance(outcome, ArqsvcError):
                    self._refused(one.item, outcome)
                else:
                    self._accepted(one, outcome)

    async def all_or_none(self, given: Sequence[Given]) -> None:
        """Submit all, unless one of them cannot be.

        Raises:
            InvalidParams: one or more of them; each fault with a JSON Pointer.
            Conflict, QueueFull: one of their queues takes in no more.
            JobsQuota: they are more than the project may have.
        """
        found = [await self._ready(each) for each in given]
        if self.problems:
            raise _refusal(self.problems)
        ready = [one for one in found if one]
        await self.admission.submit_all([one.wish for one in ready])
        for one in ready:
            self._accepted(one, Submitted(one.wish.job.id, new=True))

    def answer(self) -> Response:
        """Return what came of all."""
        items = ",".join(self.outcomes[item] for item in sorted(self.outcomes))
        refused = len(self.problems)
        about = Batch(
            items=[],
            accepted=len(self.outcomes) - refused,
            refused=refused,
            warnings=warned(of(self.request).outlook, self.used),
        )
        text = about.model_dump_json().replace('"items":[]', f'"items":[{items}]', 1)
        return Response(text, media_type="application/json")

    async def _ready(self, given: Given) -> Ready | None:
        """Return a job that can be submitted; what is wrong with another is noted."""
        await self.turns.take()
        item, value, _ = given
        try:
            return await self._looked_at(item, value)
        except ArqsvcError as error:
            self._refused(item, error)
            return None

    async def _looked_at(self, item: int, value: Any) -> Ready:
        at = f"/jobs/{item}"
        check_storable(value, at)
        said = fitted(BatchSubmission, value, at=at)
        if said.dedupe and self.atomic:
            raise fault(f"{at}/dedupe", "an atomic batch takes none: submit such jobs in a batch that is not atomic")
        kind = known_kind(self.request, said.kind)
        params = await checked(self.request, kind, said, self.caller, self.queues, at=at)
        ids = job_ids(self.request, item)
        jobs = of(self.request).queue.new_jobs(params, self.caller.project, said.options(self.caller), ids)
        return Ready(item, Wish(jobs, said.dedupe))

    def _accepted(self, one: Ready, came: Submitted) -> None:
        reference = JobReference(id=came.job, href=f"/api/v1/jobs/{came.job}")
        outcome = BatchItem(status=202 if came.new else 200, job=reference)
        self.outcomes[one.item] = outcome.model_dump_json()
        self.used.update(one.wish.queues)

    def _refused(self, item: int, error: ArqsvcError) -> None:
        problem = self.problems[item] = Problem(**error.problem())
        self.outcomes[item] = BatchItem(status=error.status, problem=problem).model_dump_json()


def _pages(given: Sequence[Given]) -> Iterator[list[Given]]:
    """Yield the jobs of a batch in pages that one statement writes quickly."""
    page, characters = list[Given](), 0
    for each in given:
        page.append(each)
        characters += each[2]
        if len(page) == PAGE or characters > PAGE_CHARACTERS:
            yield page
            page, characters = [], 0
    if page:
        yield page


def _refusal(refused: Mapping[int, Problem]) -> InvalidParams:
    """Return all that is wrong with an atomic batch as one error."""
    faults = list[dict[str, str]]()
    for item, problem in sorted(refused.items()):
        if problem.errors:
            faults += [{"pointer": each.pointer, "detail": each.detail} for each in problem.errors]
        else:
            faults.append({"pointer": f"/jobs/{item}", "detail": problem.detail})
    return InvalidParams(
        f"{len(refused):,} of the jobs cannot be submitted, so none was; the first: {faults[0]['pointer']}: "
        f"{faults[0]['detail']}",
        errors=faults,
    )


OPERATIONS = (submit_batch,)
