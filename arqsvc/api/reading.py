"""Jobs as they are read: lists and numbers by a filter, one job, its attempts and files."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal, TypeVar
from uuid import UUID

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from arqsvc import __version__
from arqsvc.api.bodies import id_in, query_as
from arqsvc.api.etag import IF_NONE_MATCH, known, tag_of, tagged
from arqsvc.api.held import of
from arqsvc.api.jobs import find_job, no_job
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.api.problems import fault
from arqsvc.api.shown import shown_attempts, shown_file, shown_job, shown_jobs
from arqsvc.api.waits import Wait, until_changed
from arqsvc.contract import AttemptList, Count, FileList, Job, JobCounts, JobPage, Spread, Waiting
from arqsvc.infra.db import rows
from arqsvc.jobs import listing
from arqsvc.jobs.files import FileRecord
from arqsvc.jobs.filters import Filter
from arqsvc.jobs.progress import latest_progress
from arqsvc.jobs.record import FINAL, JobRecord, State
from arqsvc.jobs.upcoming import SIZE, SORTS, Stand

PAGE = 50
LARGEST_PAGE = 500

F = TypeVar("F", bound=Filter)


class Listing(Filter):
    """The query of a list of jobs: a filter, and how the list is shown."""

    sort: Literal["-created", "created", "due", "place"] = "-created"
    """The newest first, or the oldest first; `due`, for `state=scheduled` alone: the soonest due first; `place`, for
    `state=queued` alone: the next of its queue first."""
    limit: int = Field(default=PAGE, ge=1, le=LARGEST_PAGE)
    """Most jobs of a page."""
    cursor: str | None = None
    """`next_cursor` of the page before; the filter and the order are the same as there."""
    view: Literal["full", "brief"] = "full"
    """`brief` leaves out `params`, `result`, `needs`, `attempts` and `files`: for lists that are looked at often."""


def filter_as(cls: type[F], request: Request) -> F:
    """Return the filter that the query of a request makes.

    Raises:
        InvalidParams: a name is none, a value does not fit, or a kind is none.
    """
    wanted = cls.parse(request.query_params)
    kinds = of(request).params
    for kind in wanted.kind or ():
        if kind not in kinds and not kind.endswith("*"):
            raise fault("/kind", f"There is no kind of job {kind!r}; to find jobs of one that is gone, write {kind}*.")
    return wanted


@operation(
    "jobs.list", "GET", "/jobs", Scope.READ, {200: JobPage, 304: None}, query=Listing,
    headers=IF_NONE_MATCH, tells={200: ("ETag", "Link"), 304: ("ETag",)},
)  # fmt: skip
async def list_jobs(request: Request, caller: Caller) -> Response:
    """List jobs by a filter, the newest first unless asked otherwise.

    Pages stay right while jobs arrive and end: the order is that of creation, and a cursor says behind which job to go
    on. Jobs that `due` and `place` sort may change their order meanwhile. `Link` with `rel="next"` leads to the next
    page; the last has none. `If-None-Match` is heeded.
    """
    query = filter_as(Listing, request)
    ids, cursor = await _page(caller.project, query)
    jobs, brief = await listing.read(ids, brief=query.view == "brief"), query.view == "brief"
    infra = of(request).infra
    if brief:
        progress = await latest_progress(infra.redis, jobs)
        shown = [shown_job(job, kept=progress.get(job.id)) for job in jobs]
    else:
        shown = await shown_jobs(infra, jobs)
    answer = reply(JobPage(items=shown, next_cursor=cursor))
    if cursor:
        answer.headers["Link"] = f'<{_next(request, cursor)}>; rel="next"'
    return tagged(request, answer)


@operation("jobs.counts", "GET", "/jobs/counts", Scope.READ, {200: JobCounts}, query=Filter)
async def count(request: Request, caller: Caller) -> Response:
    """Say how many jobs fit a filter, by state, kind, queue and tag.

    The numbers are exact up to 50,000 jobs that fit (of tags, 10,000). Where more do, they are of the newest, and those
    of a state are exact up to 10,000; each says whether it is. A text, `q`, is looked for in the newest 50,000 jobs
    that fit otherwise.
    """
    found = await listing.counts(caller.project, filter_as(Filter, request))
    return reply(
        JobCounts(
            all=_count(found.all), state=_each(found.state), kind=_each(found.kind), queue=_each(found.queue),
            tags={name: _each(values) for name, values in found.tags.items()},
        )
    )  # fmt: skip


@operation(
    "jobs.show", "GET", "/jobs/{id}", Scope.READ, {200: Job, 304: None}, query=Wait, errors=(404,),
    headers=IF_NONE_MATCH, tells={200: ("ETag",), 304: ("ETag",)},
)  # fmt: skip
async def show(request: Request, caller: Caller) -> Response:
    """Return a job as it stands, with its attempts and files; why it waits, and how long yet.

    With `?wait=25` the answer waits until the state is another than now, for so many seconds at most; it does not for
    a job that has ended. `If-None-Match` is heeded: asking again whether something has changed costs little.
    """
    if wait_s := query_as(Wait, request).wait:
        job = await find_job(request, caller)
        if job.state not in FINAL:
            await until_changed(request, job, wait_s)
    tag = await _tag(request, caller)
    if tag and (unchanged := known(request, tag)):
        return unchanged
    job = await find_job(request, caller)
    (shown,) = await shown_jobs(of(request).infra, [job])
    reasons = of(request).reasons
    left_s = await reasons.left_s(job)
    reason = await reasons.reason(job)
    shown.waiting = Waiting(**asdict(reason)) if reason else None
    shown.left_s = Spread(**asdict(left_s)) if left_s else None
    return tagged(request, reply(shown), tag)


@operation("jobs.attempts", "GET", "/jobs/{id}/attempts", Scope.READ, {200: AttemptList}, errors=(404,))
async def attempts(request: Request, caller: Caller) -> Response:
    """List the attempts of a job, in their order; the last may still run."""
    job = await find_job(request, caller)
    return reply(AttemptList(items=await shown_attempts(job)))


@operation("jobs.files", "GET", "/jobs/{id}/files", Scope.READ, {200: FileList}, errors=(404,))
async def files(request: Request, caller: Caller) -> Response:
    """List the files that a job has published."""
    job = await find_job(request, caller)
    found = await FileRecord.filter(job_id=job.id).order_by("name")
    return reply(FileList(items=[shown_file(file) for file in found]))


async def _tag(request: Request, caller: Caller) -> str | None:
    """Return the ETag of a job from one small statement; None while it waits, when what is told of it moves by itself.

    A change of its state raises `seq`; attempts and files change with it. What it needs may go on after its own end,
    where others need it too.
    """
    job = id_in(request, no_job)
    found = await rows(
        """SELECT state, seq, reason, pinned, cancel_requested_at, (
                SELECT string_agg(needed.id || needed.state, ',' ORDER BY needed.id)
                FROM job_need need JOIN job needed ON needed.id = need.needed_id WHERE need.job_id = job.id) AS needs
            FROM job WHERE id = $1 AND project = $2""",
        [job, caller.project],
    )
    if not found:
        raise no_job(request)
    row, n = found[0], 0
    if row["state"] == State.RUNNING:
        running = JobRecord(id=job, state=State.RUNNING, seq=row["seq"])
        kept = (await latest_progress(of(request).infra.redis, [running])).get(job)
        n = kept["last"]["n"] if kept else 0
    elif row["state"] not in FINAL:
        return None
    told = (row["seq"], row["reason"], row["pinned"], row["cancel_requested_at"], row["needs"])
    return tag_of(job, n, *told, __version__)


async def _page(project: str, query: Listing) -> tuple[list[UUID], str | None]:
    """Return the jobs of a page, and the cursor of the next; None where there is none."""
    if query.sort not in SORTS:
        last = _told(query, 16)
        order = listing.Order(UUID(bytes=last) if last else None, query.sort == "-created", query.limit)
        ids, behind = await listing.page(project, query, order)
        return ids, _cursor(query, behind.bytes) if behind else None
    sort = SORTS[query.sort]
    if query.state != (sort.state,):
        raise fault("/sort", f"sort={query.sort} is of state={sort.state.value} alone: add that, or take another order")
    if not query.live:
        raise fault("/sort", f"sort={query.sort} is not to be had with a text to look for: leave out one of the two")
    last = _told(query, SIZE)
    found = await sort.read(project, query, Stand.read(last) if last else None, query.limit + 1)
    page = found[: query.limit]
    return [each.job for each in page], _cursor(query, page[-1].written()) if len(found) > len(page) else None


def _told(query: Listing, size: int) -> bytes | None:
    """Return what a cursor says of where a page begins: so many bytes."""
    if query.cursor is None:
        return None
    try:
        padding = b"=" * (-len(query.cursor) % 4)
        text = base64.b64decode(query.cursor.encode() + padding, altchars=b"-_", validate=True)
        if len(text) < size:
            raise ValueError("too short")
    except (ValueError, binascii.Error) as error:
        raise fault("/cursor", f"{query.cursor[:60]!r} is not one that a list returned; begin again without") from error
    if text[size:] != _bound(query):
        raise fault("/cursor", "this cursor is of a list with another filter or order; begin again without it")
    return text[:size]


def _cursor(query: Listing, last: bytes) -> str:
    return base64.urlsafe_b64encode(last + _bound(query)).decode().rstrip("=")


def _bound(query: Listing) -> bytes:
    """Return what binds a cursor to a filter and an order."""
    said = json.dumps(query.model_dump(mode="json", exclude={"cursor", "limit", "view"}), sort_keys=True)
    return hashlib.sha256(said.encode()).digest()[:8]


def _next(request: Request, cursor: str) -> str:
    url = request.url.include_query_params(cursor=cursor)
    return f"{url.path}?{url.query}"


def _each(numbers: Mapping[str, listing.Count]) -> dict[str, Count]:
    return {name: _count(number) for name, number in numbers.items()}


def _count(number: listing.Count) -> Count:
    return Count(count=number.count, exact=number.exact)


OPERATIONS = (list_jobs, count, show, attempts, files)
