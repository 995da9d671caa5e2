"""A façade for clients of GA4GH's Workflow Execution Service 1.1, at `/ga4gh/wes/v1`: a run is a job.

`workflow_type` is `arqsvc`, `workflow_url` a kind, `workflow_params` its parameters; where they name a file they may
name an attachment. The tasks of a run are the job's attempts.
Source: https://ga4gh.github.io/workflow-execution-service-schemas/docs/
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from arqsvc import __version__
from arqsvc.api.bodies import body_as, check_storable, fitted, json_in, query_as
from arqsvc.api.files import named
from arqsvc.api.held import of
from arqsvc.api.jobs import find_job
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation
from arqsvc.api.problems import REFUSAL, fault
from arqsvc.api.records import newest
from arqsvc.api.shown import running
from arqsvc.api.submissions import Submission, fitting
from arqsvc.api.submit import accept
from arqsvc.api.uploads import check_length
from arqsvc.errors import ArqsvcError, Conflict, NotFound, Rejected, WrongMediaType
from arqsvc.jobs.declare import Params, file_fields
from arqsvc.jobs.deletion import delete_files
from arqsvc.jobs.files import FileRecord, check_name
from arqsvc.jobs.listing import unended
from arqsvc.jobs.new import routed
from arqsvc.jobs.quota import no_room
from arqsvc.jobs.record import FINAL, AttemptRecord, JobRecord, State

BASE = "/ga4gh/wes/v1"
TYPE, TYPE_VERSION, ENGINE = "arqsvc", "1", "arqsvc"
PAGE, LARGEST_PAGE = 50, 500
ATTACHMENTS, FIELDS = 20, 32
"""Most of a form."""
FIELD_BYTES = 1024 * 1024
PARAMETERS = {"priority": int, "queue": str, "timeout_s": float}
"""What `workflow_engine_parameters` may say, as text."""
_MEMBERS = {"params": "workflow_params", **{name: f"workflow_engine_parameters/{name}" for name in PARAMETERS}}
"""Members of a submission as a run has them."""
_ENDS = {State.SUCCEEDED: "COMPLETE", State.CANCELLED: "CANCELED"}


class Page(BaseModel):
    """The query of a list."""

    page_size: int = Field(default=PAGE, ge=1)
    page_token: UUID | None = None


class TaskPage(BaseModel):
    """The query of a list of tasks."""

    page_size: int = Field(default=PAGE, ge=1)
    page_token: int | None = Field(default=None, ge=0, lt=2**31)


class RunRequest(BaseModel):
    """What is to be run."""

    model_config = ConfigDict(extra="ignore")

    workflow_type: str
    workflow_type_version: str
    workflow_url: str
    workflow_params: dict[str, Any] = {}
    tags: dict[str, str] = {}
    workflow_engine: str | None = None
    workflow_engine_version: str | None = None
    workflow_engine_parameters: dict[str, str] = {}


async def service_info(request: Request) -> Response:
    """GET /service-info: what this service is; needs no key."""
    kinds = of(request).params
    root = str(request.base_url)
    return JSONResponse({
        "id": "arqsvc",
        "name": "arqsvc",
        "description": f"A job service for genomics. workflow_url is a kind of job: {', '.join(sorted(kinds))}.",
        "type": {"group": "org.ga4gh", "artifact": "wes", "version": "1.1.0"},
        "organization": {"name": "arqsvc", "url": root},
        "documentationUrl": f"{root}docs/wes.txt",
        "version": __version__,
        "workflow_type_versions": {TYPE: {"workflow_type_version": [TYPE_VERSION]}},
        "supported_wes_versions": ["1.1.0"],
        "supported_filesystem_protocols": [],
        "workflow_engine_versions": {ENGINE: {"workflow_engine_version": [__version__]}},
        "default_workflow_engine_parameters": [
            {"name": name, "type": cls.__name__, "default_value": ""} for name, cls in PARAMETERS.items()
        ],
        "system_state_counts": await _counts(),
        "auth_instructions_url": f"{root}docs/wes.txt",
        "tags": {},
    })  # fmt: skip


@operation("wes.list", "GET", "/runs", Scope.READ, {}, query=Page)
async def list_runs(request: Request, caller: Caller) -> Response:
    """List the runs of the caller's project, the newest first."""
    page = query_as(Page, request)
    query = JobRecord.filter(project=caller.project)
    found, token = await newest(query, page.page_token, min(page.page_size, LARGEST_PAGE))
    return JSONResponse({"runs": [_summary(job) for job in found], "next_page_token": token or ""})


@operation("wes.run", "POST", "/runs", Scope.SUBMIT, {}, repeatable=False)
async def run(request: Request, caller: Caller) -> Response:
    """Submit a run, as a form with attachments or as JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/x-www-form-urlencoded":
        raise WrongMediaType(f"The body is {media_type}. Send multipart/form-data; it needs no file.")
    if media_type == "multipart/form-data":
        try:
            job = await _run_of_form(request, caller)
        except ClientDisconnect as error:
            raise Rejected("The connection ended before the whole form had come. Send it again.") from error
    else:
        asked = await body_as(RunRequest, request)
        kind = _kind(request, asked)
        job = (await accept(request, caller, kind, _submission(kind, asked, {}))).job
    return JSONResponse({"run_id": str(job)})


@operation("wes.show", "GET", "/runs/{id}", Scope.READ, {})
async def show(request: Request, caller: Caller) -> Response:
    """Return all that is known of a run."""
    job = await find_job(request, caller)
    root = str(request.base_url).rstrip("/")
    files = await FileRecord.filter(job_id=job.id).order_by("name")
    outputs = {"result": job.result, "files": {file.name: f"{root}/api/v1/files/{file.id}" for file in files}}
    return JSONResponse({
        "run_id": str(job.id),
        "request": await _request(request, job),
        "state": _state(job),
        "run_log": _log(
            job.kind, job, f"{root}/api/v1/jobs/{job.id}/logs?format=text&limit=2000",
            int(job.state != State.SUCCEEDED) if job.started_at and job.state in FINAL else None,
        ),
        "task_logs_url": f"{root}{BASE}/runs/{job.id}/tasks",
        "outputs": outputs if job.state == State.SUCCEEDED else {},
    })  # fmt: skip


@operation("wes.status", "GET", "/runs/{id}/status", Scope.READ, {})
async def status(request: Request, caller: Caller) -> Response:
    """Return the state of a run."""
    job = await find_job(request, caller)
    return JSONResponse({"run_id": str(job.id), "state": _state(job)})


@operation("wes.tasks", "GET", "/runs/{id}/tasks", Scope.READ, {}, query=TaskPage)
async def list_tasks(request: Request, caller: Caller) -> Response:
    """List the attempts of a run, the first one first; the last may still run."""
    page = query_as(TaskPage, request)
    size, after = min(page.page_size, LARGEST_PAGE), page.page_token or 0
    job = await find_job(request, caller)
    found = await _attempts(job, after, size + 1)
    token = str(found[size - 1].number) if len(found) > size else ""
    return JSONResponse({"task_logs": [_task(request, job, each) for each in found[:size]], "next_page_token": token})


async def _attempts(job: JobRecord, after: int, most: int) -> list[AttemptRecord]:
    """Return attempts behind this number, the one that runs included."""
    ended = await AttemptRecord.filter(job_id=job.id, number__gt=after).order_by("number").limit(most)
    last = ended[-1].number if ended else after
    return [*ended, *(each for each in running(job) if each.number > last)][:most]


@operation("wes.task", "GET", "/runs/{id}/tasks/{task}", Scope.READ, {})
async def show_task(request: Request, caller: Caller) -> Response:
    """Return one attempt of a run."""
    job = await find_job(request, caller)
    text = request.path_params["task"]
    number = int(text) if text.isdecimal() and len(text) < 9 else 0
    found = await _attempts(job, number - 1, 1)
    if not found or found[0].number != number:
        raise NotFound(f"Run {job.id} has no task {text[:20]!r}.")
    return JSONResponse(_task(request, job, found[0]))


@operation("wes.cancel", "POST", "/runs/{id}/cancel", Scope.CANCEL, {})
async def cancel(request: Request, caller: Caller) -> Response:
    """Cancel a run; one that has ended stays as it is."""
    job = await find_job(request, caller)
    with suppress(Conflict):  # the specification has no answer for one that has ended
        await of(request).queue.cancel(job.id)
    return JSONResponse({"run_id": str(job.id)})


async def _run_of_form(request: Request, caller: Caller) -> UUID:
    """Submit what a form asks for, with its attachments as files; of one that is refused none is kept."""
    held = of(request)
    check_length(request, held.infra.settings.upload_limit_bytes, FIELD_BYTES)
    async with request.form(max_files=ATTACHMENTS, max_fields=FIELDS, max_part_size=FIELD_BYTES) as form:
        asked, parts = _fields(form), _attachments(form)
        kind = _kind(request, asked)
        fitting(kind, _submission(kind, asked, dict.fromkeys(parts, str(UUID(int=0)))), held.queues)
        left_bytes = await held.quotas.bytes_left(caller.project)
        if left_bytes is not None and sum(part.size or 0 for part in parts.values()) > left_bytes:
            raise no_room(left_bytes)
        ids = dict[str, str]()
        try:
            for name, part in parts.items():
                stored = await held.infra.storage.put(_content(part))
                ids[name] = str((await named(_plain(name), stored, caller)).id)
            accepted = await accept(request, caller, kind, _submission(kind, asked, ids))
        except ArqsvcError:  # after any other error the run may have been written
            await delete_files(list(map(UUID, ids.values())), held.infra.storage)
            raise
    if accepted.written:  # what came with a run is known by having its age
        await FileRecord.filter(id__in=list(ids.values())).update(created_at=accepted.written[1].created_at)
    return accepted.job


def _attachments(form: FormData) -> dict[str, UploadFile]:
    """Return the attached files by the names that parameters may call them."""
    found = dict[str, UploadFile]()
    for part in form.getlist("workflow_attachment"):
        if isinstance(part, UploadFile):
            name = part.filename or "attachment"
            if name in found:
                raise fault("/workflow_attachment", f"two files are called {name[:80]!r}.")
            if {"", ".", ".."} & set(name.split("/")):
                raise fault("/workflow_attachment", f"{name[:80]!r} is no relative path without '.', '..' and '//'.")
            check_name(_plain(name))
            found[name] = part
    return found


def _plain(name: str) -> str:
    return name.rpartition("/")[2]


def _submission(kind: type[Params], asked: RunRequest, ids: Mapping[str, str]) -> Submission:
    """Return a run as the order of a job; `ids` are those of the files by the names of the attachments."""
    params = dict(asked.workflow_params)
    for name in file_fields(kind):
        if isinstance(given := params.get(name), str) and given in ids:
            params[name] = ids[given]
    options = {name: _engine_parameter(name, text) for name, text in asked.workflow_engine_parameters.items()}
    return fitted(Submission, {"params": params, "tags": asked.tags, **options})


def _fields(form: FormData) -> RunRequest:
    """Return the fields of a form, those that are objects as JSON text."""
    given: dict[str, Any] = {name: value for name, value in form.items() if isinstance(value, str)}
    check_storable(given)
    for name in ("workflow_params", "tags", "workflow_engine_parameters"):
        if name in given:
            given[name] = json_in(given[name] or "{}", f"/{name}")
    return fitted(RunRequest, given)


async def _content(part: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await part.read(256 * 1024):
        yield chunk


def _kind(request: Request, asked: RunRequest) -> type[Params]:
    """Return the kind of job that is asked for.

    Raises:
        InvalidParams: there is none, or the type, the engine or a version is not ours.
    """
    for name, ours in (("workflow_type", TYPE), ("workflow_type_version", TYPE_VERSION), ("workflow_engine", ENGINE)):
        if getattr(asked, name) not in {ours, None}:
            raise fault(f"/{name}", f"{getattr(asked, name)[:60]!r} is not served here. It is {ours!r}.")
    if asked.workflow_engine_version not in {__version__, None}:
        raise fault("/workflow_engine_version", f"This is version {__version__}.")
    known = of(request).params
    name = asked.workflow_url.rstrip("/").rpartition("/")[2]
    if name not in known:
        raise fault("/workflow_url", f"{asked.workflow_url[:100]!r} is no kind of job. Kinds: {', '.join(known)}.")
    return known[name]


def _engine_parameter(name: str, text: str) -> Any:
    try:
        return PARAMETERS[name](text)
    except (KeyError, ValueError) as error:
        known = ", ".join(PARAMETERS)
        raise fault("/workflow_engine_parameters", f"{name[:40]}={text[:40]!r} is none of: {known}.") from error


async def _counts() -> dict[str, int]:
    """Return how many jobs are in the states that are not an end."""
    counted = Counter[str](QUEUED=0, RUNNING=0)
    for job, number in await unended():
        counted[_state(job)] += number
    return counted


def _state(job: JobRecord) -> str:
    """Return a job's state in the words of the specification; whose fault a failure is, its problem's status says."""
    if job.state in _ENDS:
        return _ENDS[job.state]
    if job.state == State.FAILED:
        ours = not job.error or job.error.get("status", 500) >= 500
        return "SYSTEM_ERROR" if ours else "EXECUTOR_ERROR"
    if job.state == State.RUNNING:
        return "CANCELING" if job.cancel_requested_at else "RUNNING"
    if job.state == State.QUEUED and job.reason in {"interrupted", "worker_lost"}:
        return "PREEMPTED"
    return "INITIALIZING" if job.state == State.BLOCKED and job.reason is None else "QUEUED"


def _summary(job: JobRecord) -> dict[str, Any]:
    return {"run_id": str(job.id), "state": _state(job), **_times(job), "tags": job.tags or {}}


async def _request(request: Request, job: JobRecord) -> dict[str, Any]:
    """Return what was asked for, as the job shows it: what is so as well where it is not given is left out."""
    told = {"workflow_type": TYPE, "workflow_type_version": TYPE_VERSION, "workflow_url": job.kind}
    params, options = job.params, {"priority": job.priority, "queue": job.queue, "timeout_s": job.timeout_s}
    if kind := of(request).params.get(job.kind):
        queue = routed(kind, of(request).infra.settings.routed)
        options = _without(options, {"priority": kind.priority, "queue": queue})
        params = _without(params, kind.model_construct().model_dump(mode="json", warnings=False))
        files = [name for name in file_fields(kind) if name in params]
        came = await FileRecord.filter(id__in=[params[name] for name in files], created_at=job.created_at)
        names = {str(file.id): file.name for file in came}
        params |= {name: names.get(params[name], params[name]) for name in files}
    texts = {name: f"{value:.15g}" if name == "timeout_s" else str(value) for name, value in options.items() if value}
    more = {"tags": job.tags, "workflow_engine_parameters": texts}
    return {**told, "workflow_params": params, **{name: value for name, value in more.items() if value}}


def _without(given: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in usual or value != usual[name]}


def _task(request: Request, job: JobRecord, attempt: AttemptRecord) -> dict[str, Any]:
    root = str(request.base_url).rstrip("/")
    logs = f"{root}/api/v1/jobs/{job.id}/logs?format=text&limit=2000&attempt={attempt.number}"
    code, said = None, [f"worker {attempt.worker}"]
    if attempt.outcome:
        code, said = int(attempt.outcome != "succeeded"), [*said, f"outcome {attempt.outcome}"]
    return {"id": str(attempt.number), **_log(f"{job.kind}, attempt {attempt.number}", attempt, logs, code, said)}


def _log(
    name: str, ran: JobRecord | AttemptRecord, logs: str, exit_code: int | None, said: Sequence[str] = ()
) -> dict[str, Any]:
    said = [*said, ran.error["detail"]] if ran.error else said
    code = {"exit_code": exit_code} if exit_code is not None else {}
    return {"name": name, "cmd": [], **_times(ran), "stdout": logs, **code, "system_logs": said}


def _times(ran: JobRecord | AttemptRecord) -> dict[str, str]:
    times = {"start_time": ran.started_at, "end_time": ran.finished_at}
    return {name: time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for name, time in times.items() if time}


class Spoken:
    """Lets all below it say what is wrong as the specification does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        scope[REFUSAL] = _refusal
        await self._app(scope, receive, send)


def _refusal(problem: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    status = 400 if problem["status"] in {409, 413, 415, 422} else problem["status"]
    faults = problem.get("errors", ())
    listed = faults and problem["detail"].startswith(faults[0]["pointer"])
    msg = " ".join(map(_told, faults)) if listed else problem["detail"]
    return JSONResponse({"msg": msg, "status_code": status}, status, headers)


def _told(wrong: Mapping[str, str]) -> str:
    """Return what is wrong with a part of a run."""
    _, member, *within = (wrong["pointer"] or "/").split("/")
    detail = wrong["detail"].rstrip(".")
    if member == "tags" and within[-1:] == ["[key]"]:
        within, detail = within[:-1], "a tag's name is 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-' here"
    return f"/{'/'.join([_MEMBERS.get(member, member), *within])}: {detail}."


OPERATIONS = (list_runs, run, show, status, list_tasks, show_task, cancel)
ROUTES = [Route("/service-info", service_info, methods=["GET"]), *(each.route() for each in OPERATIONS)]
