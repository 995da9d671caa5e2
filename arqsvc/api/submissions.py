"""What a submission says, and whether that can be done: everything that is wrong with it is found here."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic import field_validator as validator
from starlette.requests import Request

from arqsvc.api.addresses import check_address
from arqsvc.api.bodies import fitted
from arqsvc.api.held import of
from arqsvc.api.keys import Caller
from arqsvc.api.problems import fault
from arqsvc.contract import Warned
from arqsvc.errors import NotFound, UnknownKind
from arqsvc.jobs.declare import Params, file_fields
from arqsvc.jobs.dedupe import Dedupe
from arqsvc.jobs.files import find_file
from arqsvc.jobs.new import Options
from arqsvc.jobs.outlook import Outlook
from arqsvc.jobs.webhooks import GivenWebhook

FARTHEST = timedelta(days=366)
"""How far ahead a job may be submitted."""
MOST_TAGS = 20

TagName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
TagValue = Annotated[str, Field(max_length=255)]


def _text(given: Any) -> Any:
    if not isinstance(given, str):
        raise ValueError("must be a time such as 2027-01-31T08:00:00Z")
    return given


class Submission(BaseModel):
    """The body of `POST /jobs/{kind}`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    params: dict[str, Any]
    """What the kind of job takes; `GET /kinds/{kind}` says what that is."""
    priority: int | None = Field(default=None, ge=1, le=10)
    """1..10, 10 the most urgent: each step stands a minute ahead. Unless given, what the kind says."""
    queue: str | None = None
    """Unless given, the kind's own."""
    timeout_s: float | None = Field(default=None, gt=0, le=30 * 86_400)
    """Seconds that one attempt may take. Unless given, what the kind says."""
    delay_s: float | None = Field(default=None, ge=0, le=FARTHEST.total_seconds())
    """Seconds before which it does not begin."""
    run_at: Annotated[AwareDatetime, BeforeValidator(_text, json_schema_input_type=AwareDatetime)] | None = None
    """Time before which it does not begin, with an offset or `Z`, at most 366 days ahead; instead of `delay_s`. One
    that has passed is now."""
    tags: dict[TagName, TagValue] = Field(default={}, max_length=MOST_TAGS)
    """What it is found by, beside its kind and state."""
    webhook: GivenWebhook | None = None
    """An address that is told what happens to it, signed with the secret that `GET /webhooks/secret` tells."""
    dedupe: Dedupe | None = None
    """What it is the same work as: that is not done twice."""

    @validator("run_at")
    @classmethod
    def _not_too_far(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        if value is None:
            return None
        if info.data.get("delay_s") is not None:
            raise ValueError("give delay_s or run_at, not both")
        if value > datetime.now(UTC) + FARTHEST:
            raise ValueError(f"must be at most {FARTHEST.days} days ahead")
        return value if value > datetime.now(UTC) else None

    def options(self, caller: Caller) -> Options:
        """Return what it says beside the parameters."""
        return Options(
            priority=self.priority, queue=self.queue, timeout_s=self.timeout_s, delay_s=self.delay_s,
            run_at=self.run_at, tags=self.tags, webhook=self.webhook.stored() if self.webhook else None,
            dedupe=self.dedupe.key if self.dedupe else None, submitted_by=caller.name,
        )  # fmt: skip


def known_kind(request: Request, name: str) -> type[Params]:
    """Return a kind of job by its name.

    Raises:
        UnknownKind: there is none; names those that there are.
    """
    known = of(request).params
    if name not in known:
        raise UnknownKind(f"There is no kind of job {name[:100]!r}. Known: {', '.join(sorted(known))}.")
    return known[name]


def fitting(kind: type[Params], said: Submission, queues: Collection[str], *, at: str = "") -> Params:
    """Return the parameters of a submission that fits its kind; whether the files are there that it names is not asked.

    Args:
        queues: those that it may name.
        at: JSON Pointer of the submission in its body.

    Raises:
        InvalidParams: it does not; each fault with a JSON Pointer.
    """
    if said.queue is not None and said.queue not in queues:
        raise fault(f"{at}/queue", f"{said.queue[:64]!r} is not a queue. Queues: {', '.join(queues)}.")
    return fitted(kind, said.params, at=f"{at}/params")


async def checked(
    request: Request, kind: type[Params], said: Submission, caller: Caller, queues: Collection[str], *, at: str = ""
) -> Params:
    """Return the parameters of a submission that can be carried out.

    Args:
        queues: those that it may name.
        at: JSON Pointer of the submission in its body.

    Raises:
        InvalidParams: something is wrong with it; each fault with a JSON Pointer.
        AddressRefused: its webhook is not to be told; with a JSON Pointer.
    """
    params = fitting(kind, said, queues, at=at)
    for name in file_fields(kind):
        if (file := getattr(params, name)) is not None:
            await _check_file(file, caller, f"{at}/params/{name}")
    if said.webhook:
        await check_address(request, said.webhook.url, f"{at}/webhook{said.webhook.below}")
    return params


async def _check_file(file: UUID, caller: Caller, pointer: str) -> None:
    """Refuse a file which is not there, or not the caller's."""
    try:
        await find_file(file, caller.project)
    except NotFound as error:
        raise fault(pointer, error.detail) from error


def warned(outlook: Outlook, queues: Iterable[str]) -> list[Warned]:
    """Return what the submitter of jobs in these queues should know."""
    return [Warned(code=code, queue=queue, detail=detail) for code, queue, detail in outlook.warnings(queues)]
